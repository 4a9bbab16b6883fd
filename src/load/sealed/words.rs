//! Plain words of YAML as SOPS takes them: its checksum is over what it takes them for. `yes` is text to it, `0o17`
//! is 15 and `1_000` is 1000; other readers of YAML, skyplan's too, may take them otherwise.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

/// The text that counts for a plain word; `None` for what is nothing.
pub(super) fn counted(word: &str) -> Option<String> {
    match word {
        "" | "~" | "null" | "Null" | "NULL" => None,
        "true" | "True" | "TRUE" => Some("True".into()),
        "false" | "False" | "FALSE" => Some("False".into()),
        ".nan" | ".NaN" | ".NAN" => Some("NaN".into()),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some("+Inf".into()),
        "-.inf" | "-.Inf" | "-.INF" => Some("-Inf".into()),
        _ => Some(number(word).unwrap_or_else(|| word.to_owned())),
    }
}

/// Whether it may be a time, which versions of SOPS write differently.
pub(super) fn is_time(word: &str) -> bool {
    let (year, rest) = word.split_at_checked(4).unwrap_or_default();
    !year.is_empty() && year.bytes().all(|b| b.is_ascii_digit()) && rest.starts_with('-') && rest.len() >= 4
}

fn number(word: &str) -> Option<String> {
    let first = word.bytes().next()?;
    if first == b'.' {
        return float(word);
    }
    if !matches!(first, b'+' | b'-' | b'0'..=b'9') {
        return None;
    }
    let bare = word.replace('_', "");
    whole(&bare).map(|n| n.to_string()).or_else(|| float(&bare))
}

/// A whole number, with its base before it: also an octal one with a mere 0.
fn whole(word: &str) -> Option<i128> {
    let (minus, digits) = match word.split_at_checked(1)? {
        ("-", rest) => (true, rest),
        ("+", rest) => (false, rest),
        _ => (false, word),
    };
    let (base, digits) = match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some(two) if two.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    // A second sign would be taken for one.
    let all = digits.bytes().all(|b| b.is_ascii_alphanumeric());
    let size = i128::from_str_radix(digits, base).ok().filter(|_| all)?;
    let number = if minus { -size } else { size };
    let most = if digits.len() == word.len() || base != 10 { i128::from(u64::MAX) } else { i128::from(i64::MAX) };
    (i128::from(i64::MIN)..=most).contains(&number).then_some(number)
}

/// A number with a point or an exponent, written without one.
fn float(word: &str) -> Option<String> {
    let known = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E');
    let number: f64 = word.parse().ok().filter(|_| word.bytes().all(known))?;
    number.is_finite().then(|| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_count_as_what_sops_takes_them_for() {
        for (word, want) in [
            ("yes", "yes"),
            ("No", "No"),
            ("y", "y"),
            ("True", "True"),
            ("false", "False"),
            ("0o17", "15"),
            ("017", "15"),
            ("08", "8"),
            ("0x1F", "31"),
            ("-0x1F", "-31"),
            ("0b101", "5"),
            ("+5", "5"),
            ("-0", "0"),
            ("-0.0", "-0"),
            ("1_000", "1000"),
            ("_1", "_1"),
            ("1e3", "1000"),
            ("1e21", "1000000000000000000000"),
            ("1.5e-9", "0.0000000015"),
            ("1.", "1"),
            (".5", "0.5"),
            (".", "."),
            ("-", "-"),
            ("+-5", "+-5"),
            ("0x", "0x"),
            ("0o8", "0o8"),
            ("1e400", "1e400"),
            ("18446744073709551615", "18446744073709551615"),
            ("12:30", "12:30"),
            (".Inf", "+Inf"),
            ("-.inf", "-Inf"),
            ("é", "é"),
        ] {
            assert_eq!(counted(word).as_deref(), Some(want), "{word}");
        }
        assert!(["~", "", "Null"].iter().all(|word| counted(word).is_none()));
        assert!(is_time("2001-01-01") && is_time("2001-1-2") && !is_time("2001") && !is_time("200-1-1"));
    }
}

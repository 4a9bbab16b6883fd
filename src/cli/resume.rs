//! The command that goes on where this run ended: the one that was typed, as it was typed.

use std::ffi::OsString;

/// That command, for a shell. A plan file cannot be taken up again: the state has moved on, so it is
/// written anew first.
pub(super) fn command() -> String {
    of(std::env::args_os().skip(1))
}

fn of(args: impl IntoIterator<Item = OsString>) -> String {
    let args: Vec<String> = args.into_iter().map(|a| a.to_string_lossy().into_owned()).collect();
    let whole = line(&args);
    let Some(verb) = args.iter().position(|a| a == "apply") else { return whole };
    // Values of options are no files: the plan is the one argument that is neither.
    let mut value = false;
    let file = args.iter().skip(verb + 1).find(|a| {
        let own = !value && !a.starts_with('-');
        value = VALUED.contains(&a.as_str());
        own
    });
    match file {
        Some(file) => {
            let mut plan: Vec<String> = args.iter().take(verb).cloned().collect();
            plan.extend(["plan".to_owned(), "-o".to_owned(), file.clone()]);
            format!("{} && {whole}", line(&plan))
        }
        None => whole,
    }
}

/// Options of `apply` that take a value in the next word.
const VALUED: [&str; 10] = [
    "--parallelism",
    "--timeout",
    "--deadline",
    "--target",
    "--exclude",
    "--replace",
    "--env",
    "--color",
    "-C",
    "--directory",
];

fn line(args: &[String]) -> String {
    let words: Vec<String> = std::iter::once("skyplan".to_owned()).chain(args.iter().map(|a| quoted(a))).collect();
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_was_typed() {
        let of = |words: &[&str]| of(words.iter().map(OsString::from));
        assert_eq!(of(&["-C", "my dir", "apply", "--yes"]), "skyplan -C 'my dir' apply --yes");
        assert_eq!(of(&["apply", "--timeout", "10s", "-y"]), "skyplan apply --timeout 10s -y");
        assert_eq!(of(&["destroy", "-y", "--deadline=1h"]), "skyplan destroy -y --deadline=1h");
        assert_eq!(
            of(&["-C", "x", "apply", "--parallelism", "4", "p.json"]),
            "skyplan -C x plan -o p.json && skyplan -C x apply --parallelism 4 p.json"
        );
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }
}

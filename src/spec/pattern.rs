//! Patterns of names: what `*` in the words of a user stands for.

/// Whether a text is as a pattern says; `*` stands for any characters, also none.
pub fn matches_pattern(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, want) in [
            ("4vCPU-*GB*", "4vCPU-16GB-1xL4", true),
            ("4vCPU-*GB*", "64vCPU-16GB", false),
            ("m7i.large", "m7i.large", true),
            ("m7i.large", "m7i.large2", false),
            ("*", "anything", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
        ] {
            assert_eq!(matches_pattern(pattern, text), want, "{pattern} {text}");
        }
    }
}

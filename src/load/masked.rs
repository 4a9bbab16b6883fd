//! Texts for excerpts: what a Secret holds is covered, and every byte stays where it was.
//!
//! By lines, not by parsing: an excerpt is wanted most where a file cannot be parsed.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

/// Fields of a Secret that hold its values.
const FIELDS: [&str; 2] = ["data", "stringData"];

/// A text with the values of its Secrets covered; `None` where there is nothing to be covered, so that large
/// texts are not held twice.
pub fn masked(text: &str) -> Option<String> {
    if !text.contains("Secret") {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut document = Vec::new();
    for line in text.split_inclusive('\n') {
        if line.starts_with("---") {
            cover(&document, &mut out);
            document.clear();
        }
        document.push(line);
    }
    cover(&document, &mut out);
    Some(out)
}

/// One document. Where it may hold a Secret, all fields that could be a Secret's are covered.
fn cover(lines: &[&str], out: &mut String) {
    if !lines.iter().any(|line| line.contains("Secret")) {
        lines.iter().for_each(|line| out.push_str(line));
        return;
    }
    // Depth of the field that is being covered, how many of its braces are open, and the depth of its keys.
    let mut within: Option<(usize, i32, Option<usize>)> = None;
    for line in lines {
        let depth = line.len() - line.trim_start_matches([' ', '-']).len();
        if let Some((field, open, keys)) = within
            && (open > 0 || depth > field || line.trim().is_empty())
        {
            let keys = keys.or((!line.trim().is_empty()).then_some(depth));
            within = Some((field, open + braces(line), keys));
            // Keys may be seen, but not what looks like one within a value.
            out.push_str(&covered(line, if open > 0 || keys != Some(depth) { 0 } else { key_end(line) }));
            continue;
        }
        within = None;
        match field(line) {
            Some(end) => {
                within = Some((depth, braces(&line[end..]), None));
                out.push_str(&covered(line, end));
            }
            None => out.push_str(line),
        }
    }
}

/// Where the value begins of a field that holds secret values.
fn field(line: &str) -> Option<usize> {
    let ends = FIELDS.iter().flat_map(|name| line.match_indices(name).map(move |(at, _)| (at, at + name.len())));
    let word = |c: char| c.is_alphanumeric() || c == '_';
    let found = ends.filter(|(at, end)| {
        !line[..*at].ends_with(word) && line[*end..].trim_start_matches(['"', '\'']).trim_start().starts_with(':')
    });
    found.map(|(_, end)| end + line[end..].find(':').map_or(0, |colon| colon + 1)).min()
}

/// Where the value begins on a line of `key: value`; 0 where it is none.
fn key_end(line: &str) -> usize {
    line.find(": ").or_else(|| line.trim_end().strip_suffix(':').map(str::len)).map_or(0, |colon| colon + 1)
}

fn braces(text: &str) -> i32 {
    let count = |c: char| i32::try_from(text.matches(c).count()).unwrap_or(i32::MAX);
    count('{') - count('}')
}

/// A line with stars from here on, one for every byte but white space.
fn covered(line: &str, from: usize) -> String {
    let stars = line[from..].chars().map(|c| if c.is_whitespace() { c.to_string() } else { "*".repeat(c.len_utf8()) });
    line[..from].to_owned() + &stars.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secrets_are_covered_and_nothing_moves() {
        let text = "kind: ConfigMap\ndata:\n  a: shown\n---\nkind: Secret\nmetadata: {name: db}\nstringData:\n  \
                    password: hunter2 # é\n  many: |\n    hunter3\n\n    hunter4: 1\ntype: Opaque\n---\n{kind: Secret, data: {p: \
                    hunter5}}\n---\n- kind: Secret\n  \"data\" : {\n  p: hunter6,\n  q: hunter7 }\n  metadata: {name: x}\n";
        let want = "kind: ConfigMap\ndata:\n  a: shown\n---\nkind: Secret\nmetadata: {name: db}\nstringData:\n  \
                    password: ******* * **\n  many: *\n    *******\n\n    ******** *\ntype: Opaque\n---\n{kind: Secret, data: *** \
                    *********\n---\n- kind: Secret\n  \"data\" : *\n** ********\n** ******* *\n  metadata: {name: x}\n";
        let is = masked(text).unwrap();
        let squeezed = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert!(!is.contains("hunter"), "{is}");
        assert_eq!(is.len(), text.len());
        assert_eq!(squeezed(&is), squeezed(want));
        assert_eq!(masked("kind: ConfigMap\ndata: {a: b}\n"), None);
        // Also where it is broken.
        let broken = "kind: Secret\nstringData:\n  password: \"hunter2\n  x: [hunter3\n";
        assert!(!masked(broken).unwrap().contains("hunter"));
    }
}

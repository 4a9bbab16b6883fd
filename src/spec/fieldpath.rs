//! Paths of fields in objects: `status.loadBalancer.ingress[0].ip`, `metadata.labels["a.b/c"]`.

use serde_json::Value;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into a map.
    Key(String),
    /// Into a list.
    Index(usize),
}

/// Reads a path.
///
/// # Errors
/// What is wrong with it.
pub fn parse(path: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut rest = path;
    loop {
        if let Some(inner) = rest.strip_prefix('[') {
            let (step, after) = bracket(inner)?;
            steps.push(step);
            rest = after;
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            if end == 0 {
                return Err("a name is empty".into());
            }
            steps.push(Step::Key(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        if let Some(after) = rest.strip_prefix('.') {
            if after.starts_with('[') {
                return Err("a name is empty".into());
            }
            rest = after;
        } else if rest.is_empty() {
            return Ok(steps);
        } else if !rest.starts_with('[') {
            return Err("a `.` or `[` is missing".into());
        }
    }
}

/// What stands in brackets, and what comes after them.
fn bracket(inner: &str) -> Result<(Step, &str), String> {
    let open = || "a bracket is not closed".to_owned();
    if let Some(quoted) = inner.strip_prefix('"') {
        let (key, after) = quoted.split_once("\"]").ok_or_else(open)?;
        return Ok((Step::Key(key.to_owned()), after));
    }
    let (number, after) = inner.split_once(']').ok_or_else(open)?;
    let index = number.parse().map_err(|_| format!("`{number}` is not a position"))?;
    Ok((Step::Index(index), after))
}

/// The value at a path; `None` where there is none.
pub fn find<'a>(object: &'a Value, path: &[Step]) -> Option<&'a Value> {
    path.iter().try_fold(object, |value, step| match step {
        Step::Key(key) => value.get(key),
        Step::Index(index) => value.get(index),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_values() {
        let object = json!({"status": {"ingress": [{"ip": "1.2.3.4"}]}, "labels": {"a.b/c": "x"}});
        let at = |path: &str| find(&object, &parse(path).unwrap()).cloned();
        assert_eq!(at("status.ingress[0].ip"), Some(json!("1.2.3.4")));
        assert_eq!(at("labels[\"a.b/c\"]"), Some(json!("x")));
        assert_eq!(at("status.ingress[1].ip"), None);
        assert_eq!(at("status.ingress.ip"), None);
        for bad in ["", ".", "a.", "a..b", "a[", "a[x]", "a[-1]", "a[\"b]", "a[0]b", "a.[0]"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}

//! Where people keep files of their own: keys, settings.

use std::path::PathBuf;

/// The folder of a person's configuration, such as `~/.config`. Relative ones are no such place, as the XDG rules
/// have it.
pub(super) fn configuration(variable: &dyn Fn(&str) -> Option<String>) -> Option<PathBuf> {
    let folder = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    folder("XDG_CONFIG_HOME").or_else(|| Some(folder("HOME")?.join(".config")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_configuration_is() {
        let of = |pairs: &[(&str, &str)]| {
            let find = |name: &str| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            configuration(&find).map(|path| path.display().to_string())
        };
        assert_eq!(of(&[("HOME", "/home/a")]).unwrap(), "/home/a/.config");
        assert_eq!(of(&[("HOME", "/home/a"), ("XDG_CONFIG_HOME", "/c")]).unwrap(), "/c");
        for no in ["", "c"] {
            assert_eq!(of(&[("HOME", "/home/a"), ("XDG_CONFIG_HOME", no)]).unwrap(), "/home/a/.config");
            assert_eq!(of(&[("HOME", no)]), None);
        }
    }
}

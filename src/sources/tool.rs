//! The programs that render: where they are, and which version.
//!
//! Reads the environment once, when it is made; knows nothing of sources.

use std::{
    ffi::OsString,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::child::{Bounds, run};
use crate::{diagnostic::Diagnostic, spec::Renderer};

/// Where programs are looked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tools {
    /// `SKYPLAN_KUSTOMIZE`.
    pub kustomize: Option<PathBuf>,
    /// `SKYPLAN_HELM`.
    pub helm: Option<PathBuf>,
    /// `PATH`.
    pub path: Option<OsString>,
    /// Where `make tools` puts them.
    pub cache: Option<PathBuf>,
}

/// A program that renders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tool {
    pub(super) program: PathBuf,
    /// What it is told first.
    pub(super) command: &'static str,
    /// Name and version.
    pub(super) name: String,
}

impl Tools {
    /// `SKYPLAN_KUSTOMIZE` and `SKYPLAN_HELM`, `PATH`, and the cache of `make tools`.
    pub fn from_env() -> Self {
        let set = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        Self {
            kustomize: set("SKYPLAN_KUSTOMIZE"),
            helm: set("SKYPLAN_HELM"),
            path: std::env::var_os("PATH"),
            cache: super::cache::home().map(|c| c.join("tools")),
        }
    }

    /// The program for a source.
    pub(super) fn find(&self, how: &Renderer, bounds: Bounds) -> Result<Tool, Diagnostic> {
        let (name, variable, named) = match how {
            Renderer::Files | Renderer::Kustomize => ("kustomize", "SKYPLAN_KUSTOMIZE", &self.kustomize),
            Renderer::Helm(_) => ("helm", "SKYPLAN_HELM", &self.helm),
        };
        let helm = name == "helm";
        let command = if helm { "template" } else { "build" };
        if let Some(program) = named {
            if !is_program(program) {
                return Err(Diagnostic::error("SKY0140", format!("{} is no program", program.display()))
                    .detail(format!("{variable} names it."))
                    .hint(format!("set {variable} to the program {name}, or unset it")));
            }
            return self.open(program.clone(), command, bounds);
        }
        let cached = self.cache.as_ref().map(|c| c.join(name).join(name)).filter(|p| is_program(p));
        if let Some(program) = self.on_path(name) {
            return self.open(program, command, bounds);
        }
        if let Some(kubectl) = self.on_path("kubectl").filter(|_| !helm && cached.is_none()) {
            return self.open(kubectl, "kustomize", bounds);
        }
        match cached {
            Some(program) => self.open(program, command, bounds),
            None => Err(missing(name, variable)),
        }
    }

    fn on_path(&self, name: &str) -> Option<PathBuf> {
        // A folder that is not named in full is another one in every folder.
        let folders = std::env::split_paths(self.path.as_ref()?).filter(|f| f.is_absolute()).collect::<Vec<_>>();
        folders.into_iter().map(|f| f.join(name)).find(|p| is_program(p))
    }

    /// The program with its version, as it says itself.
    fn open(&self, program: PathBuf, command: &'static str, bounds: Bounds) -> Result<Tool, Diagnostic> {
        let args: &[&str] = match command {
            "template" => &["version", "--template", "{{.Version}}"],
            "build" => &["version"],
            _ => &["version", "--client"],
        };
        let args: Vec<OsString> = args.iter().map(Into::into).collect();
        let no_version = |why: String| {
            Diagnostic::error("SKY0140", format!("{} does not say which version it is", program.display()))
                .detail(why)
                .hint("does it run when you type it?")
        };
        let folder = tempfile::tempdir().map_err(|e| no_version(format!("No temporary folder can be made: {e}.")))?;
        let said = run(&program, &args, folder.path(), bounds).map_err(|f| no_version(format!("{f:?}.")))?;
        let text = String::from_utf8_lossy(&said.out).into_owned();
        // `v3.22.0`; of kubectl `Client Version: …`, `Kustomize Version: v5.5.0`.
        let word = text.lines().rev().find_map(|l| version(l.rsplit(' ').next()?));
        let Some(version) = word.filter(|_| said.success) else { return Err(no_version(said.faults)) };
        let name = match command {
            "template" => "helm",
            "build" => "kustomize",
            _ => "kubectl kustomize",
        };
        if name == "helm" && !version.starts_with(['3', '4']) {
            return Err(Diagnostic::error("SKY0140", format!("{} is helm {version}", program.display()))
                .hint("charts are rendered with helm 3 or 4"));
        }
        Ok(Tool { program, command, name: format!("{name} {version}") })
    }
}

/// `5.8.2` of `v5.8.2`.
fn version(word: &str) -> Option<String> {
    let bare = word.trim().trim_start_matches('v');
    let good = bare.starts_with(|c: char| c.is_ascii_digit())
        && bare.len() < 64
        && bare.chars().all(|c| c.is_ascii_alphanumeric() || ".-+".contains(c));
    good.then(|| bare.to_owned())
}

fn missing(name: &str, variable: &str) -> Diagnostic {
    let d = Diagnostic::error("SKY0140", format!("{name} is not there"))
        .detail(format!("Looked at {variable}, in the folders of PATH, and in what `make tools` installs."));
    match name {
        "helm" => d.hint("install helm 3.22 (https://helm.sh), or `make tools` in a checkout of skyplan"),
        _ => {
            d.hint("install kustomize 5.8 (https://kustomize.io) or kubectl, or `make tools` in a checkout of skyplan")
        }
    }
}

fn is_program(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(folder: &Path, name: &str, text: &str) -> PathBuf {
        std::fs::create_dir_all(folder).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn programs_are_found_in_order() {
        let home = tempfile::tempdir().unwrap();
        let (bin, cache) = (home.path().join("bin"), home.path().join("cache"));
        let mut tools =
            Tools { path: Some(bin.clone().into_os_string()), cache: Some(cache.clone()), ..Tools::default() };
        let found = |tools: &Tools| tools.find(&Renderer::Kustomize, Bounds::default()).map(|t| t.name);
        assert_eq!(found(&tools).unwrap_err().code, "SKY0140");
        script(&bin, "kubectl", "echo 'Client Version: v1.36.3'; echo 'Kustomize Version: v5.5.0'");
        assert_eq!(found(&tools).unwrap(), "kubectl kustomize 5.5.0");
        script(&cache.join("kustomize"), "kustomize", "echo v5.8.2");
        assert_eq!(found(&tools).unwrap(), "kustomize 5.8.2");
        script(&bin, "kustomize", "echo v5.7.0");
        assert_eq!(found(&tools).unwrap(), "kustomize 5.7.0");
        tools.kustomize = Some(script(home.path(), "mine", "echo '(devel)'"));
        assert!(found(&tools).unwrap_err().summary.ends_with("does not say which version it is"));
        tools.kustomize = Some(home.path().join("none"));
        assert!(found(&tools).unwrap_err().detail.contains("SKYPLAN_KUSTOMIZE"));
    }
}

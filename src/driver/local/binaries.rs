//! The set of programs that a control plane is made of: where it is, what it lacks, what it can do.
//!
//! Knows names of files, not what is done with them.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{components::Component, root::Candidate};
use crate::diagnostic::Diagnostic;

const MAKE: &str = "build them once: make control-plane (in a checkout of skyplan)";

/// A set of programs that is enough to start a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binaries {
    folder: PathBuf,
    components: Vec<Component>,
}

impl Binaries {
    /// The first of the candidates that is there.
    pub(super) fn find(candidates: &[Candidate]) -> Result<Self, Diagnostic> {
        for candidate in candidates {
            if candidate.named_by.is_some() || candidate.folder.is_dir() {
                return Self::open(candidate);
            }
        }
        let looked: Vec<String> = candidates.iter().map(|c| c.folder.display().to_string()).collect();
        Err(Diagnostic::error("SKY0602", "the programs of the control plane are not there")
            .detail(format!("Local clusters run kube-apiserver and etcd; looked in {}.", looked.join(", ")))
            .hint(MAKE)
            .hint("or set SKYPLAN_CONTROL_PLANE or KUBEBUILDER_ASSETS to a folder that has them"))
    }

    fn open(candidate: &Candidate) -> Result<Self, Diagnostic> {
        // `current` is a link that the next build moves; what runs should go on naming one build.
        let folder = fs::canonicalize(&candidate.folder).unwrap_or_else(|_| candidate.folder.clone());
        let has = |file: &str| is_program(&folder.join(file));
        if let Some(missing) = ["kube-apiserver", "etcd"].into_iter().find(|f| !has(f)) {
            return Err(incomplete(candidate, missing));
        }
        let mut components = vec![Component::Etcd, Component::ApiServer];
        // One without the other is no use: pods would be made and never placed, or the reverse.
        if has("kube-controller-manager") && has("kube-scheduler") {
            components.extend([Component::ControllerManager, Component::Scheduler]);
            if has("kwok") && folder.join(STAGES).is_file() {
                components.push(Component::Kwok);
            }
        }
        Ok(Self { folder, components })
    }

    /// What can be run, in the order in which it is started.
    pub(super) fn components(&self) -> &[Component] {
        &self.components
    }

    pub(super) fn program(&self, component: Component) -> PathBuf {
        self.folder.join(component.name())
    }

    /// What simulated nodes and pods do.
    pub(super) fn stages(&self) -> PathBuf {
        self.folder.join(STAGES)
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

const STAGES: &str = "kwok-stages.yaml";

fn incomplete(candidate: &Candidate, missing: &str) -> Diagnostic {
    let folder = candidate.folder.display();
    let path = candidate.folder.join(missing);
    let why = if !candidate.folder.is_dir() {
        "There is no such folder."
    } else if path.exists() {
        "The file is there but cannot be executed."
    } else {
        "The folder is there, the file is not."
    };
    let fault = Diagnostic::error("SKY0603", format!("{missing} is missing in {folder}"));
    match &candidate.named_by {
        Some(variable) => fault
            .detail(format!("{variable} names that folder. {why}"))
            .hint(format!("set {variable} to a folder with kube-apiserver and etcd, or unset it"))
            .hint(MAKE),
        None => fault.detail(why).hint(MAKE),
    }
}

/// Whether there is a file that may be executed.
pub(super) fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(files: &[&str]) -> (tempfile::TempDir, Candidate) {
        let place = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(place.path().join(file), "").unwrap();
            fs::set_permissions(place.path().join(file), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let candidate = Candidate { folder: place.path().into(), named_by: Some("SKYPLAN_CONTROL_PLANE".into()) };
        (place, candidate)
    }

    #[test]
    fn a_set_says_what_it_can_do() {
        let count = |files: &[&str]| {
            let (_place, candidate) = set(files);
            Binaries::find(&[candidate]).unwrap().components().len()
        };
        assert_eq!(count(&["etcd", "kube-apiserver", "kubectl"]), 2);
        assert_eq!(count(&["etcd", "kube-apiserver", "kube-scheduler", "kwok", STAGES]), 2);
        assert_eq!(count(&["etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager", "kwok"]), 4);
        assert_eq!(count(&["etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager", "kwok", STAGES]), 5);
    }

    #[test]
    fn what_is_missing_is_named() {
        let (place, candidate) = set(&["kube-apiserver"]);
        let fault = Binaries::find(&[candidate]).unwrap_err();
        assert_eq!(fault.code, "SKY0603");
        assert_eq!(fault.summary, format!("etcd is missing in {}", place.path().display()));
        assert!(fault.detail.contains("SKYPLAN_CONTROL_PLANE"));

        fs::write(place.path().join("etcd"), "").unwrap();
        let default = Candidate { folder: place.path().into(), named_by: None };
        let fault = Binaries::find(&[default]).unwrap_err();
        assert!(fault.detail.contains("cannot be executed"), "{fault:?}");

        let absent = Candidate { folder: place.path().join("none"), named_by: None };
        let fault = Binaries::find(std::slice::from_ref(&absent)).unwrap_err();
        assert_eq!(fault.code, "SKY0602");
        assert!(fault.hints.iter().any(|h| h.contains("make control-plane")));
        // A default that is absent gives way to the next one, a named one does not.
        let (_place, next) = set(&["etcd", "kube-apiserver"]);
        assert!(Binaries::find(&[absent.clone(), next.clone()]).is_ok());
        let named = Candidate { named_by: Some("KUBEBUILDER_ASSETS".into()), ..absent };
        assert_eq!(Binaries::find(&[named, next]).unwrap_err().code, "SKY0603");
    }
}

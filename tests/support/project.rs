//! Projects as texts, and what they come to.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use skyplan::{
    compile::{compile, model::Model},
    diagnostic::{Diagnostics, SourceMap},
    load::{
        parameters::{Answers, Choice, Wanted},
        read_as,
        tree::{SourceTree, read_folder},
    },
    render::{Style, diagnostics},
    spec::Rendered,
};

/// The texts of a project.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    pub(crate) tree: SourceTree,
    /// Which environment is meant.
    pub(crate) environment: Wanted,
    /// What came of sources that were rendered.
    pub(crate) rendered: Answers,
}

/// A path in the checkout.
pub(crate) fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

impl Project {
    /// A project on disk.
    pub(crate) fn open(folder: &Path) -> Self {
        let (tree, out) = read_folder(folder);
        assert!(out.is_empty(), "{}: {out:?}", folder.display());
        Self { tree, environment: Wanted::Only, rendered: Answers::new() }
    }

    /// The same for one of its environments.
    #[must_use]
    pub(crate) fn in_environment(self, name: &str) -> Self {
        Self { environment: Wanted::Named(name.into()), ..self }
    }

    /// The same with what is known of its rendered sources.
    #[must_use]
    pub(crate) fn with_rendered(self, text: &str) -> Self {
        let known: BTreeMap<String, Rendered> = serde_json::from_str(text).unwrap();
        Self { rendered: known.into_iter().map(|(key, r)| (key, Ok(r))).collect(), ..self }
    }

    /// One of `examples/`.
    pub(crate) fn example(name: &str) -> Self {
        Self::open(&checkout("examples").join(name))
    }

    /// A project of these files.
    pub(crate) fn of<P: AsRef<str>, T: AsRef<str>>(files: impl IntoIterator<Item = (P, T)>) -> Self {
        let files = files.into_iter().map(|(p, t)| (p.as_ref().into(), t.as_ref().into()));
        Self { tree: SourceTree { files: files.collect() }, environment: Wanted::Only, rendered: Answers::new() }
    }

    /// The same with one text replaced by another in a file.
    #[must_use]
    pub(crate) fn with(mut self, path: &str, from: &str, to: &str) -> Self {
        let text = self.tree.files.get_mut(path).unwrap_or_else(|| panic!("no file {path}"));
        assert!(text.contains(from), "{path} has no `{from}`");
        *text = text.replacen(from, to, 1).into();
        self
    }

    /// The same without a file.
    #[must_use]
    pub(crate) fn without(mut self, path: &str) -> Self {
        assert!(self.tree.files.remove(path).is_some(), "no file {path}");
        self
    }

    /// All texts by path.
    pub(crate) fn sources(&self) -> SourceMap {
        let mut map = SourceMap::default();
        for (path, text) in &self.tree.files {
            map.insert(path.clone(), text.clone());
        }
        map
    }

    /// The model, or `None` with errors among the diagnostics.
    pub(crate) fn compiled(&self) -> (Option<Model>, Diagnostics) {
        let choice =
            Choice { environment: self.environment.clone(), rendered: self.rendered.clone(), ..Choice::default() };
        let (set, mut out) = read_as(&self.tree, &choice);
        assert!(set.renders.is_empty(), "rendered.json lacks {:#?}", set.renders);
        let (model, more) = compile(&set);
        out.extend(more);
        (model.filter(|_| !out.has_errors()), out)
    }

    /// What is to be placed, also where `validate` knows that it cannot be.
    pub(crate) fn posed(&self) -> Model {
        let (set, _) = read_as(&self.tree, &Choice::default());
        compile(&set).0.expect("there is something to place")
    }

    /// The model of a project without errors.
    pub(crate) fn model(&self) -> Model {
        let (model, out) = self.compiled();
        model.unwrap_or_else(|| panic!("{}", self.shown(&out)))
    }

    /// Diagnostics as they are printed.
    pub(crate) fn shown(&self, out: &Diagnostics) -> String {
        diagnostics::render(out, &self.sources(), Style { color: false })
    }
}

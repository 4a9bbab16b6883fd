//! What most commands begin with: the project's files read and compiled, its state opened.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{exit::Exit, output::Output};
use crate::{
    compile::{compile, model::Model},
    diagnostic::{Diagnostic, Diagnostics, SourceMap},
    digest::{digest, digest_bytes, hex},
    driver::{Drivers, local::LocalRoot},
    load::{self, tree::read_folder},
    plan::secret::is_secret,
    state::store::{Log, folder_of},
};

/// A project, read and compiled.
#[derive(Debug)]
pub(super) struct Session {
    /// The project's folder.
    pub(super) root: PathBuf,
    /// Texts, for excerpts.
    pub(super) sources: SourceMap,
    /// The project.
    pub(super) model: Model,
    /// Digest of the texts.
    texts: String,
}

impl Session {
    /// Reads the project in a folder, or shows what is wrong with it.
    pub(super) fn open(root: &Path, output: &Output) -> Result<Self, Exit> {
        let (tree, mut diagnostics) = read_folder(root);
        let mut sources = SourceMap::default();
        for (path, text) in &tree.files {
            sources.insert(path.clone(), text.clone());
        }
        let (set, mut found) = load::read(&tree);
        let (model, more) = compile(&set);
        found.extend(more);
        let unread = diagnostics.has_errors();
        diagnostics.extend(found.iter().filter(|d| !unread || !load::echoes_unread(d)).cloned().collect());
        let failed = diagnostics.has_errors();
        let exit = output.diagnostics(&diagnostics, &sources);
        let model = match model {
            Some(model) if !failed => model,
            _ => return Err(exit),
        };
        let texts = tree.files.iter().map(|(path, text)| (path.to_string(), text.to_string().into()));
        let inputs_digest = digest(&serde_json::Value::Object(texts.collect()));
        Ok(Self { root: root.to_path_buf(), sources, model, texts: inputs_digest })
    }

    /// Digest of the texts that the project was read from; a keyed one where secret values are among them.
    pub(super) fn inputs_digest(&self, key: &str) -> String {
        if self.has_secrets() { digest_bytes(format!("{key}{}", self.texts).as_bytes()) } else { self.texts.clone() }
    }

    fn has_secrets(&self) -> bool {
        self.model.objects.iter().any(|o| is_secret(&o.object))
    }

    /// Opens the project's state.
    pub(super) fn log(&self) -> Result<Log, Diagnostic> {
        let folder = folder_of(&self.root, self.model.state_url.as_deref());
        Log::open(&folder, &self.model.lineage, || random_hex(32))
    }

    /// Opens it to plan: with Secrets in the project the log is begun, as their digests need its key.
    fn log_to_plan(&self) -> Result<Log, Diagnostic> {
        let mut log = self.log()?;
        if self.has_secrets() {
            log.begin()?;
        }
        Ok(log)
    }

    /// Everything that planning needs: the project, its log, and drivers. Shows what is wrong.
    pub(super) fn open_to_plan(root: &Path, output: &Output) -> Result<(Self, Log, Drivers), Exit> {
        let session = Self::open(root, output)?;
        match session.log_to_plan().and_then(|log| Ok((log, LocalRoot::from_env()?))) {
            Ok((log, local)) => Ok((session, log, Drivers::new(root, local))),
            Err(d) => Err(output.fault(d)),
        }
    }

    /// Shows diagnostics with this project's texts.
    pub(super) fn show(&self, diagnostics: &Diagnostics, output: &Output) -> Exit {
        output.diagnostics(diagnostics, &self.sources)
    }
}

/// Random bytes of the operating system as hexadecimal text.
pub(super) fn random_hex(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    match File::open("/dev/urandom").and_then(|mut f| f.read_exact(&mut buffer)) {
        Ok(()) => hex(&buffer),
        // No randomness: time and process are unique enough for a name, and the digests of secrets
        // are worth no more than the state they stand in.
        Err(_) => {
            let now = jiff::Timestamp::now().as_nanosecond();
            let seed = serde_json::json!([now.to_string(), std::process::id()]);
            digest(&seed).chars().take(bytes * 2).collect()
        }
    }
}

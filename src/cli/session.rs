//! What most commands begin with: the project's files read and compiled, its state opened.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{args::ProjectArgs, exit::Exit, identities::keyring, output::Output};
use crate::{
    compile::{compile, hopeless, model::Model, placement_tells, too_old},
    diagnostic::{Diagnostic, Diagnostics, SourceMap},
    digest::{digest, digest_bytes, digest_of, hex},
    driver::{Drivers, local::LocalRoot},
    load::{
        self,
        git::commit_signers,
        parameters::{Answers, Choice, Wanted},
        snapshot::Place,
        tree::{SourceTree, read_folder, read_revision},
    },
    plan::secret::is_secret,
    quantity::Day,
    seal::Keyring,
    sources::{Bounds, Cache, Contents, Kitchen, Tools},
    spec::{Render, SpecSet},
    state::{
        Source,
        store::{Location, Log},
    },
};

/// The texts of a project, of its folder or of a revision.
#[derive(Debug)]
pub(super) struct Texts {
    tree: SourceTree,
    /// Where they are, for what else has to be read.
    place: Place,
    /// The same, for excerpts.
    pub(super) sources: SourceMap,
    faults: Diagnostics,
    /// Who has signed the commit that they are of; `None` for a folder.
    signed: Option<Result<BTreeSet<String>, String>>,
    set: BTreeMap<String, String>,
    /// The commit that was named, if one was.
    commit: Option<String>,
    keys: Keyring,
    /// Sources that were rendered, and what came of them.
    renders: Vec<Render>,
    answers: Answers,
}

/// What texts come to for one environment.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    /// `None` with an error among the faults.
    pub(super) model: Option<Model>,
    /// Which environment it is.
    pub(super) environment: Option<String>,
    /// All that the project has.
    pub(super) environments: Vec<String>,
    pub(super) faults: Diagnostics,
}

impl Texts {
    /// Reads the texts. What is wrong with single files is told with what is wrong in them.
    pub(super) fn read(root: &Path, args: &ProjectArgs, output: &Output) -> Result<Self, Exit> {
        let mut signed = None;
        let (tree, faults, commit) = match &args.rev {
            None => {
                let (tree, faults) = read_folder(root);
                (tree, faults, None)
            }
            Some(revision) => {
                let (tree, commit, faults) = read_revision(root, revision);
                // A revision that is not there has no files that could be wrong.
                if tree.files.is_empty() && faults.has_errors() {
                    return Err(output.diagnostics(&faults, &SourceMap::default()));
                }
                signed = Some(match &commit {
                    Some(commit) => commit_signers(root, commit),
                    None => Err(format!("`{revision}` names a folder, not a commit")),
                });
                if let Some(commit) = commit.as_ref().filter(|c| *c != revision) {
                    output.say(&format!("revision {revision} is {}", commit.get(..12).unwrap_or(commit)));
                }
                (tree, faults, commit)
            }
        };
        let place = match &commit {
            _ if args.rev.is_none() => Place::Folder(root.to_path_buf()),
            // The branch may move on while it is read.
            Some(commit) => Place::Revision(root.to_path_buf(), commit.clone()),
            None => Place::Revision(root.to_path_buf(), args.rev.clone().unwrap_or_default()),
        };
        let mut sources = SourceMap::default();
        // Of what is encrypted whole there are no lines to be shown.
        for (path, text) in tree.files.iter().filter(|(path, _)| !path.ends_with(".age")) {
            sources.insert(path.clone(), load::masked(text).map_or_else(|| text.clone(), Into::into));
        }
        // Only where something is encrypted: elsewhere nobody has to mend keys.
        let sealed = tree.files.iter().any(|(path, text)| load::is_sealed(path, text));
        let keys = if sealed { keyring().map_err(|d| output.fault(d))? } else { Keyring::default() };
        let set = args.reading.set.iter().cloned().collect();
        let (renders, answers) = (Vec::new(), Answers::new());
        Ok(Self { tree, place, sources, faults, signed, set, commit, keys, renders, answers })
    }

    /// Reads and compiles the documents for one environment.
    pub(super) fn compile(&mut self, environment: Wanted) -> Compiled {
        let mut faults = self.faults.clone();
        let (mut set, mut found) = load::read_as(&self.tree, &self.choice(environment.clone()));
        if !set.renders.is_empty() {
            self.answers.extend(self.kitchen().answer(&set.renders));
            self.renders.append(&mut set.renders);
            (set, found) = load::read_as(&self.tree, &self.choice(environment));
            for (path, text) in set.texts.iter().filter(|(path, _)| !self.tree.files.contains_key(*path)) {
                self.sources.insert(path.clone(), load::masked(text).map_or_else(|| text.clone(), Into::into));
            }
        }
        let (model, more) = compile(&set);
        found.extend(more);
        // What only follows from a file that could not be read is not told.
        let unread = faults.has_errors();
        faults.extend(found.iter().filter(|d| !unread || !load::echoes_unread(d)).cloned().collect());
        let project = set.project.iter().flat_map(|p| &p.spec.environments);
        Compiled {
            model: model.filter(|_| !hopeless(&faults)),
            environments: project.map(|e| e.name.value.clone()).collect(),
            environment: set.environment,
            faults,
        }
    }

    fn choice(&self, environment: Wanted) -> Choice {
        Choice { environment, set: self.set.clone(), keys: self.keys.clone(), rendered: self.answers.clone() }
    }

    fn kitchen(&self) -> Kitchen {
        Kitchen {
            place: self.place.clone(),
            tools: Tools::from_env(),
            cache: Cache::from_env(),
            contents: Contents::from_env(),
            bounds: Bounds::default(),
        }
    }

    /// The documents for one environment, and what is wrong with them.
    pub(super) fn documents(&self, environment: Wanted) -> (SpecSet, Diagnostics) {
        let (set, found) = load::read_as(&self.tree, &self.choice(environment));
        (set, self.faults.iter().chain(found.iter()).cloned().collect())
    }

    /// Digest of the texts and of what was said beside them.
    pub(super) fn digest(&self, environment: Option<&str>) -> String {
        self.digest_on(digest_of(&self.tree.files), environment)
    }

    /// The same, where the digest of the files alone is at hand.
    fn digest_on(&self, texts: String, environment: Option<&str>) -> String {
        let rendered =
            self.answers.iter().filter_map(|(key, r)| Some((key, digest_bytes(r.as_ref().ok()?.output.as_bytes()))));
        let rendered: BTreeMap<&String, String> = rendered.collect();
        match (environment, self.set.is_empty(), rendered.is_empty()) {
            (None, true, true) => texts,
            (_, _, true) => digest(&serde_json::json!([texts, environment, self.set])),
            _ => digest(&serde_json::json!([texts, environment, self.set, rendered])),
        }
    }
}

/// A project, read and compiled.
#[derive(Debug)]
pub(super) struct Session {
    /// The project's folder.
    pub(super) root: PathBuf,
    /// Texts, for excerpts.
    pub(super) sources: SourceMap,
    /// The project.
    pub(super) model: Model,
    /// Who has signed the commit that it was read from; `None` for a folder.
    pub(super) signed: Option<Result<BTreeSet<String>, String>>,
    /// Digest of the texts, and of what was said beside them.
    texts: String,
    /// Digest of the files alone.
    files: String,
    /// The commit that they were read from, if one was named.
    commit: Option<String>,
    /// Sources that were rendered, and how.
    renders: Vec<Render>,
    kitchen: Kitchen,
}

impl Session {
    /// Reads the project in a folder, or shows what is wrong with it.
    pub(super) fn open(root: &Path, args: &ProjectArgs, output: &Output) -> Result<Self, Exit> {
        let mut texts = Texts::read(root, args, output)?;
        let compiled = texts.compile(args.reading.wanted());
        let told_later = |d: &&Diagnostic| compiled.model.is_none() || !placement_tells(d);
        let faults = compiled.faults.iter().filter(told_later).cloned().collect();
        let exit = output.diagnostics(&faults, &texts.sources);
        let model = compiled.model.ok_or(exit)?;
        let files = digest_of(&texts.tree.files);
        let digest = texts.digest_on(files.clone(), model.environment.as_deref());
        Ok(Self {
            root: root.to_path_buf(),
            kitchen: texts.kitchen(),
            renders: texts.renders,
            sources: texts.sources,
            model,
            signed: texts.signed,
            texts: digest,
            files,
            commit: texts.commit,
        })
    }

    /// Digest of the texts that the project was read from; a keyed one where secret values are among them.
    pub(super) fn inputs_digest(&self, key: &str) -> String {
        if self.has_secrets() { digest_bytes(format!("{key}{}", self.texts).as_bytes()) } else { self.texts.clone() }
    }

    /// What an apply is made from: the commit that was named, or the present one where its files are these very ones.
    pub(super) fn source(&self, key: &str) -> Source {
        let present = || {
            let (tree, commit, faults) = read_revision(&self.root, "HEAD");
            // A chart has files that are not YAML.
            let also = |render: &Render| {
                let committed =
                    Kitchen { place: Place::Revision(self.root.clone(), "HEAD".into()), ..self.kitchen.clone() };
                committed.files(render).ok().is_some_and(|files| Ok(files) == self.kitchen.files(render))
            };
            let same = !faults.has_errors() && digest_of(&tree.files) == self.files;
            commit.filter(|_| same && self.renders.iter().all(also))
        };
        Source { revision: self.commit.clone().or_else(present), inputs: self.inputs_digest(key) }
    }

    fn has_secrets(&self) -> bool {
        self.model.objects.iter().any(|o| is_secret(&o.object))
    }

    /// Opens the project's state.
    pub(super) fn log(&self) -> Result<Log, Diagnostic> {
        let location = Location::of(&self.root, self.model.state_url.as_deref());
        Log::open(&location, &self.model.lineage, || random_hex(32))
    }

    /// A warning that what was applied before the project had environments is in none of them.
    fn left_behind(&self) -> Option<Diagnostic> {
        let environment = self.model.environment.as_deref().filter(|e| *e != "default")?;
        let own = Location::of(&self.root, self.model.state_url.as_deref()).path()?;
        let before = own.parent().filter(|f| !own.exists() && f.join("000000000001.json").is_file())?;
        Some(
            Diagnostic::warning(
                "SKY0913",
                format!("environment `{environment}` begins anew, beside a state without environments"),
            )
            .detail(format!("What is remembered in {} is in no environment, and stays as it is.", before.display()))
            .hint("an environment called `default` goes on with it"),
        )
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
    pub(super) fn open_to_plan(root: &Path, args: &ProjectArgs, output: &Output) -> Result<(Self, Log, Drivers), Exit> {
        let session = Self::open(root, args, output)?;
        if let Some(d) = session.left_behind() {
            output.fault(d);
        }
        let old = too_old(&session.model, today());
        if !old.is_empty() {
            session.show(&old, output);
        }
        let log = session.log_to_plan();
        session.with_drivers(log, output)
    }

    /// The same to look only: nothing is written.
    pub(super) fn open_to_look(root: &Path, args: &ProjectArgs, output: &Output) -> Result<(Self, Log, Drivers), Exit> {
        let session = Self::open(root, args, output)?;
        let log = session.log();
        session.with_drivers(log, output)
    }

    fn with_drivers(self, log: Result<Log, Diagnostic>, output: &Output) -> Result<(Self, Log, Drivers), Exit> {
        match log.and_then(|log| Ok((log, LocalRoot::from_env()?))) {
            Ok((log, local)) => {
                let drivers = Drivers::new(&self.root, local);
                Ok((self, log, drivers))
            }
            Err(d) => Err(output.fault(d)),
        }
    }

    /// Shows diagnostics with this project's texts.
    pub(super) fn show(&self, diagnostics: &Diagnostics, output: &Output) -> Exit {
        output.diagnostics(diagnostics, &self.sources)
    }
}

/// The day, in UTC. Builds that are to be repeated say which with `SOURCE_DATE_EPOCH`.
pub(super) fn today() -> Day {
    let said = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse().ok());
    Day::of_seconds(said.unwrap_or_else(|| jiff::Timestamp::now().as_second()))
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

//! A revision in a Git repository as something to walk: trees and blobs from the object database,
//! never a checkout.
//!
//! Nothing that a repository says is carried out: it is opened as if it were bare, so neither its
//! configuration nor its hooks nor its filters have a say, and no network is built in. What it holds
//! is bounded before it is read. Knows objects and references, nothing of what files say.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    rc::Rc,
};

use git2::{ObjectType, Oid, Repository, RepositoryOpenFlags};

use super::{
    disk::no_folder,
    tree::{Entry, MOST_BYTES, SourceTree, Store, is_hidden, walk},
};
use crate::{
    diagnostic::{Diagnostic, Diagnostics, did_you_mean},
    trust::{COMMITS, signers_of},
};

/// Longer names are on no disk either.
const LONGEST_NAME: usize = 255;
/// Links that lead to links, as many as a kernel follows.
const MOST_LINKS: usize = 40;
/// References that a mistyped revision is compared with.
const MOST_NAMES: usize = 10_000;
/// Modes of tree entries.
const LINK: i32 = 0o120_000;

/// Reads the YAML files of a project as they are in a revision of the repository around its folder, by
/// the rules of a folder on disk. The second answer is the commit that the revision names.
///
/// In a bare repository the project's folder is named as Git names it: `main:path`.
pub fn read_revision(root: &Path, revision: &str) -> (SourceTree, Option<String>, Diagnostics) {
    let mut out = Diagnostics::new();
    match open(root).and_then(|(repository, inside)| {
        let (tree, commit) = find(&repository, revision, &inside)?;
        Ok((
            walk(
                &Revision { repository: &repository, root: tree, trees: RefCell::default() },
                &Place::root(tree),
                &mut out,
            ),
            commit,
        ))
    }) {
        Ok((tree, commit)) => (tree, commit, out),
        Err(fault) => (SourceTree::default(), None, (*fault).into()),
    }
}

/// Does something in a project's folder as it is in a revision.
pub(super) fn in_revision<T>(
    root: &Path,
    revision: &str,
    f: impl FnOnce(&Revision<'_>, &Place) -> T,
) -> Result<T, Box<Diagnostic>> {
    let (repository, inside) = open(root)?;
    let (tree, _) = find(&repository, revision, &inside)?;
    let store = Revision { repository: &repository, root: tree, trees: RefCell::default() };
    Ok(f(&store, &Place::root(tree)))
}

/// Who has signed a commit of the repository around a folder: public keys of OpenSSH.
///
/// # Errors
/// A sentence that says why nobody is known: it is not signed, or not well, or not in this way.
pub fn commit_signers(root: &Path, commit: &str) -> Result<BTreeSet<String>, String> {
    let short = commit.get(..12).unwrap_or(commit);
    let (repository, _) = open(root).map_err(|d| d.summary.clone())?;
    let id = Oid::from_str(commit).map_err(|e| sentence(&e))?;
    let (signature, content) =
        repository.extract_signature(&id, None).map_err(|_| format!("Commit {short} is not signed"))?;
    let text = signature.as_str().unwrap_or_default();
    if text.starts_with("-----BEGIN PGP") {
        return Err(format!("Commit {short} is signed with PGP, not with an ssh key"));
    }
    signers_of(text, COMMITS, &content).map_err(|why| format!("The signature of commit {short} is not good: {why}"))
}

/// The repository around a folder, and the folder's path in it.
fn open(root: &Path) -> Result<(Repository, PathBuf), Box<Diagnostic>> {
    let real = root.canonicalize().map_err(|e| no_folder(root, &e))?;
    let is_bare = |f: &Path| f.join("HEAD").is_file() && f.join("objects").is_dir() && f.join("refs").is_dir();
    let (place, top) = real
        .ancestors()
        .map(|folder| (folder.join(".git"), folder))
        .find(|(git, _)| git.exists())
        .or_else(|| is_bare(&real).then(|| (real.clone(), real.as_path())))
        .ok_or_else(|| {
            Diagnostic::error("SKY0125", format!("{} is in no Git repository", root.display())).hint(
                "`--rev` reads a revision of the repository that the project is in; leave it out to read the folder",
            )
        })?;
    let flags = RepositoryOpenFlags::BARE | RepositoryOpenFlags::NO_SEARCH | RepositoryOpenFlags::NO_DOTGIT;
    let nowhere: [&Path; 0] = [];
    let repository = Repository::open_ext(&place, flags, nowhere).map_err(|e| {
        let d = Diagnostic::error("SKY0125", format!("the Git repository {} cannot be opened", place.display()))
            .detail(sentence(&e));
        if e.code() == git2::ErrorCode::Owner {
            d.hint("it is somebody else's: own it, or read the folder without `--rev`")
        } else {
            d.hint("does `git status` work there?")
        }
    })?;
    Ok((repository, real.strip_prefix(top).map(Path::to_path_buf).unwrap_or_default()))
}

/// The tree of a project's folder in a revision, and the commit.
fn find(repository: &Repository, revision: &str, inside: &Path) -> Result<(Oid, Option<String>), Box<Diagnostic>> {
    let object = repository.revparse_single(revision).map_err(|e| unknown(repository, revision, &e))?;
    let commit = object.peel_to_commit().ok().map(|c| c.id().to_string());
    let tree = object.peel_to_tree().map_err(|_| {
        Diagnostic::error("SKY0128", format!("`{revision}` is neither a commit nor a folder"))
            .hint("name a branch, a tag or a commit; `main:path` names a folder in one")
    })?;
    // `main:path` says itself where the project is.
    if inside.as_os_str().is_empty() || commit.is_none() {
        return Ok((tree.id(), commit));
    }
    let not_there = || {
        Diagnostic::error("SKY0128", format!("`{revision}` has no folder `{}`", inside.display()))
            .hint("the project's folder must be in the revision; where it was elsewhere: `--rev REVISION:path`")
    };
    let entry = tree.get_path(inside).map_err(|_| not_there())?;
    match entry.kind() {
        Some(ObjectType::Tree) => Ok((entry.id(), commit)),
        _ => Err(Box::new(not_there())),
    }
}

/// The fault of a revision that is not there.
fn unknown(repository: &Repository, revision: &str, error: &git2::Error) -> Diagnostic {
    let mut names: Vec<String> = Vec::new();
    for reference in repository.references().into_iter().flatten().flatten().take(MOST_NAMES) {
        names.extend(reference.shorthand().ok().map(str::to_owned));
    }
    let d = Diagnostic::error("SKY0128", format!("there is no revision `{revision}`"));
    let d = if error.code() == git2::ErrorCode::NotFound { d } else { d.detail(sentence(error)) };
    // `origin/feature`, where only `feature` was written.
    let remote = names.iter().find(|n| n.split_once('/').is_some_and(|(_, branch)| branch == revision));
    match remote.map(String::as_str).or_else(|| did_you_mean(revision, names.iter().map(String::as_str))) {
        Some(near) => d.hint(format!("did you mean `{near}`?")),
        None => d.hint("name a branch, a tag or a commit of this clone; `git fetch` brings those of others"),
    }
}

/// What libgit2 says, as a sentence.
fn sentence(error: &git2::Error) -> String {
    let text = error.message().trim_end_matches('.');
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// A tree or blob by its real path from the project's root on, without links.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    path: String,
    id: Oid,
}

impl Place {
    fn root(id: Oid) -> Self {
        Self { path: String::new(), id }
    }

    fn below(&self, name: &str, id: Oid) -> Self {
        let gap = if self.path.is_empty() { "" } else { "/" };
        Self { path: format!("{}{gap}{name}", self.path), id }
    }
}

/// A project's folder in a revision.
pub(super) struct Revision<'r> {
    repository: &'r Repository,
    root: Oid,
    /// Trees that were unpacked: a folder is asked for each of its names.
    trees: RefCell<BTreeMap<Oid, Rc<Names>>>,
}

/// Mode and id by name.
type Names = BTreeMap<String, (i32, Option<ObjectType>, Oid)>;

impl Revision<'_> {
    /// An object's bytes, if there are not too many: the size is known before it is unpacked.
    fn bytes(&self, id: Oid, most: u64) -> Result<Vec<u8>, String> {
        let odb = self.repository.odb().map_err(|e| reason(&e))?;
        let (size, _) = odb.read_header(id).map_err(|e| reason(&e))?;
        if size as u64 > most {
            return Err(format!("it is larger than {} MiB", most >> 20));
        }
        Ok(odb.read(id).map_err(|e| reason(&e))?.data().to_vec())
    }

    /// Mode and id of a name in a tree.
    fn entry(&self, tree: Oid, name: &str) -> Option<(i32, Option<ObjectType>, Oid)> {
        let known = self.trees.borrow().get(&tree).cloned();
        let names = match known {
            Some(names) => names,
            None => {
                let found = self.repository.find_tree(tree).ok()?;
                let named = found
                    .iter()
                    .filter_map(|e| Some((e.name().ok()?.to_owned(), (e.filemode_raw(), e.kind(), e.id()))));
                let names = Rc::new(named.collect::<Names>());
                self.trees.borrow_mut().insert(tree, Rc::clone(&names));
                names
            }
        };
        names.get(name).copied()
    }

    /// Where a path leads from a folder, as a kernel would follow it below the project's root.
    fn follow(&self, folder: &Place, name: &str) -> Entry<Place> {
        let mut here = vec![Place::root(self.root)];
        let mut ahead: Vec<String> = format!("{}/{name}", folder.path).split('/').rev().map(str::to_owned).collect();
        let mut links = 0;
        while let Some(name) = ahead.pop() {
            let Some(folder) = here.last() else { return Entry::Outside };
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    here.pop();
                    if here.is_empty() {
                        return Entry::Outside;
                    }
                    continue;
                }
                _ => {}
            }
            match self.entry(folder.id, &name) {
                Some((LINK, _, id)) => {
                    links += 1;
                    let target = self.bytes(id, 4096).ok().and_then(|b| String::from_utf8(b).ok());
                    let Some(target) = target.filter(|_| links <= MOST_LINKS) else { return Entry::Gone };
                    if target.starts_with('/') {
                        return Entry::Outside;
                    }
                    ahead.extend(target.split('/').rev().map(str::to_owned));
                }
                Some((_, Some(ObjectType::Tree), id)) => {
                    let below = folder.below(&name, id);
                    here.push(below);
                }
                Some((_, Some(ObjectType::Blob), id)) if ahead.is_empty() => {
                    return Entry::File(folder.below(&name, id));
                }
                Some((_, Some(ObjectType::Commit), _)) => return Entry::Submodule,
                _ => return Entry::Gone,
            }
        }
        here.pop().map_or(Entry::Outside, Entry::Folder)
    }
}

impl Store for Revision<'_> {
    type Place = Place;

    fn list(&self, folder: &Place) -> Result<Vec<String>, String> {
        let odb = self.repository.odb().map_err(|e| reason(&e))?;
        let (size, _) = odb.read_header(folder.id).map_err(|e| reason(&e))?;
        if size as u64 > MOST_BYTES {
            return Err(format!("it is larger than {} MiB", MOST_BYTES >> 20));
        }
        let tree = self.repository.find_tree(folder.id).map_err(|e| reason(&e))?;
        let mut names = Vec::new();
        for entry in &tree {
            let name = entry.name_bytes();
            if name.len() > LONGEST_NAME || name.contains(&b'/') {
                return Err("it holds a name that no folder can have".into());
            }
            // A name that is not UTF-8 cannot be written in a spec either.
            names.extend(std::str::from_utf8(name).ok().map(str::to_owned));
        }
        Ok(names)
    }

    fn find(&self, folder: &Place, name: &str) -> Entry<Place> {
        match self.entry(folder.id, name) {
            Some((LINK, ..)) => match self.follow(folder, name) {
                Entry::Folder(place) if is_hidden(place.path.split('/').map(str::as_bytes)) => Entry::Outside,
                Entry::File(place) if is_hidden(place.path.rsplit('/').skip(1).map(str::as_bytes)) => Entry::Outside,
                found => found,
            },
            Some((_, Some(ObjectType::Tree), id)) => Entry::Folder(folder.below(name, id)),
            Some((_, Some(ObjectType::Blob), id)) => Entry::File(folder.below(name, id)),
            Some((_, Some(ObjectType::Commit), _)) => Entry::Submodule,
            Some(_) => Entry::Other,
            None => Entry::Gone,
        }
    }

    fn read(&self, file: &Place) -> Result<Vec<u8>, String> {
        self.bytes(file.id, MOST_BYTES)
    }
}

fn reason(error: &git2::Error) -> String {
    if error.code() == git2::ErrorCode::NotFound {
        "this clone does not have it (`git fetch --refetch` completes a partial one)".into()
    } else {
        error.message().trim_end_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::load::tree::read_folder;

    /// A repository that is written object by object.
    struct Repo {
        dir: tempfile::TempDir,
        git: Repository,
    }

    const FILE: i32 = 0o100_644;
    const FOLDER: i32 = 0o040_000;
    const MODULE: i32 = 0o160_000;

    impl Repo {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let git = Repository::init(dir.path()).unwrap();
            Self { dir, git }
        }

        fn blob(&self, bytes: &[u8]) -> Oid {
            self.git.blob(bytes).unwrap()
        }

        /// A tree of (name, mode, object), in any order, whether Git would write it or not.
        fn tree(&self, entries: &[(&str, i32, Oid)]) -> Oid {
            let mut sorted = entries.to_vec();
            sorted.sort_by_key(|(name, mode, _)| format!("{name}{}", if *mode == FOLDER { "/" } else { "" }));
            let mut bytes = Vec::new();
            for (name, mode, id) in sorted {
                bytes.extend(format!("{mode:o} {name}\0").bytes());
                bytes.extend(id.as_bytes());
            }
            self.git.odb().unwrap().write(ObjectType::Tree, &bytes).unwrap()
        }

        fn commit(&self, branch: &str, tree: Oid) -> String {
            let who = git2::Signature::new("a", "a@example.com", &git2::Time::new(0, 0)).unwrap();
            let tree = self.git.find_tree(tree).unwrap();
            let id = self.git.commit(Some(&format!("refs/heads/{branch}")), &who, &who, "m", &tree, &[]).unwrap();
            id.to_string()
        }
    }

    fn codes(out: &Diagnostics) -> Vec<(String, String)> {
        out.iter()
            .map(|d| (d.code.clone(), d.labels.first().map_or_else(String::new, |l| l.origin.to_string())))
            .collect()
    }

    /// Everything that the walk has a rule for, in a folder `infra` of a repository.
    fn odd(repo: &Repo) -> Oid {
        let text = |t: &str| repo.blob(t.as_bytes());
        let nested = repo.tree(&[("skyplan.yaml", FILE, text("own")), ("c.yaml", FILE, text("c"))]);
        let apps = repo.tree(&[
            ("a.yml", FILE, text("a")),
            ("notes.txt", FILE, text("n")),
            ("loop", LINK, text("..")),
            ("up.yaml", LINK, text("../skyplan.yaml")),
            ("self.yaml", LINK, text("self.yaml")),
            ("out.yaml", LINK, text("../../other.yaml")),
            ("root.yaml", LINK, text("/etc/hosts")),
            ("gone.yaml", LINK, text("../nothing.yaml")),
        ]);
        let infra = repo.tree(&[
            ("skyplan.yaml", FILE, text("root")),
            ("apps", FOLDER, apps),
            ("more", LINK, text("apps/../apps")),
            ("nested", FOLDER, nested),
            (".hidden", FOLDER, apps),
            ("bad.yaml", FILE, repo.blob(b"ok\n\xff\xfe")),
            ("large.yaml", FILE, text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")),
        ]);
        repo.tree(&[("infra", FOLDER, infra), ("other.yaml", FILE, text("other"))])
    }

    /// The same on disk.
    fn check_out(repo: &Repo, tree: Oid, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in &repo.git.find_tree(tree).unwrap() {
            let path = to.join(entry.name().unwrap());
            let bytes = || repo.git.find_blob(entry.id()).unwrap().content().to_vec();
            match entry.filemode() {
                FOLDER => check_out(repo, entry.id(), &path),
                LINK => std::os::unix::fs::symlink(String::from_utf8(bytes()).unwrap(), path).unwrap(),
                _ => fs::write(path, bytes()).unwrap(),
            }
        }
    }

    #[test]
    fn a_revision_is_read_as_its_checkout_would_be() {
        let repo = Repo::new();
        let tree = odd(&repo);
        let commit = repo.commit("main", tree);
        fs::create_dir(repo.dir.path().join("infra")).unwrap();
        let folder = repo.dir.path().join("infra");
        let (texts, of, out) = read_revision(&folder, "main");
        assert_eq!(of.as_deref(), Some(commit.as_str()));
        let paths: Vec<&str> = texts.files.keys().map(|p| &**p).collect();
        assert_eq!(paths, ["apps/a.yml", "apps/up.yaml", "skyplan.yaml"]);
        assert_eq!(&*texts.files["apps/up.yaml"], "root");
        let want = [
            ("SKY0109", "apps/gone.yaml:1"),
            ("SKY0111", "apps/out.yaml:1"),
            ("SKY0111", "apps/root.yaml:1"),
            ("SKY0109", "apps/self.yaml:1"),
            ("SKY0109", "bad.yaml:2"),
            ("SKY0126", "large.yaml:1"),
        ];
        assert_eq!(codes(&out), want.map(|(c, p)| (c.to_owned(), p.to_owned())));
        let disk = tempfile::tempdir().unwrap();
        check_out(&repo, tree, disk.path());
        assert_eq!(read_folder(&disk.path().join("infra")), (texts, out));
    }

    #[test]
    fn worktrees_bare_repositories_and_folders_in_a_revision() {
        let repo = Repo::new();
        let infra = repo.tree(&[("skyplan.yaml", FILE, repo.blob(b"root"))]);
        let commit = repo.commit("main", repo.tree(&[("infra", FOLDER, infra)]));
        repo.git.set_head("refs/heads/main").unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let worktree = elsewhere.path().join("wt");
        repo.git.worktree("wt", &worktree, None).unwrap();
        assert!(worktree.join(".git").is_file());
        let bare = elsewhere.path().join("bare.git");
        git2::build::RepoBuilder::new().bare(true).clone(repo.dir.path().to_str().unwrap(), &bare).unwrap();
        for (folder, revision) in [
            (worktree.join("infra"), "main"),
            (worktree.join("infra"), "HEAD"),
            (worktree, "main:infra"),
            (bare, "main:infra"),
            (repo.dir.path().to_path_buf(), &format!("{}:infra", &commit[..9])),
        ] {
            let (texts, _, out) = read_revision(&folder, revision);
            assert!(out.is_empty(), "{out:?}");
            assert_eq!(texts.files.keys().map(|p| &**p).collect::<Vec<_>>(), ["skyplan.yaml"], "{revision}");
        }
    }

    #[test]
    fn what_is_not_there_is_said() {
        let repo = Repo::new();
        let blob = repo.blob(b"a");
        repo.commit("feature/login", repo.tree(&[("vendor", MODULE, blob), ("a.yaml", FILE, blob)]));
        let said = |folder: &Path, revision: &str| {
            let (_, _, out) = read_revision(folder, revision);
            let d = out.iter().next().unwrap().clone();
            (d.code, d.hints.join(" "))
        };
        let root = repo.dir.path();
        let (code, hint) = said(root, "feature/lgoin");
        assert_eq!((code.as_str(), hint.as_str()), ("SKY0128", "did you mean `feature/login`?"));
        assert_eq!(said(root, "feature/login:a.yaml").0, "SKY0128");
        assert_eq!(said(root, "HEAD").0, "SKY0128", "nothing is committed on it");
        assert_eq!(said(root, "").0, "SKY0128");
        assert_eq!(said(root, "feature/login").0, "SKY0127");
        fs::create_dir(root.join("new")).unwrap();
        assert!(said(&root.join("new"), "feature/login").1.contains("REVISION:path"));
        assert_eq!(said(tempfile::tempdir().unwrap().path(), "main").0, "SKY0125");
        let broken = tempfile::tempdir().unwrap();
        fs::write(broken.path().join(".git"), "gitdir: nowhere\n").unwrap();
        assert_eq!(said(broken.path(), "main").0, "SKY0125");
    }

    #[test]
    fn hostile_trees_are_refused_and_nothing_is_run() {
        let repo = Repo::new();
        let blob = repo.blob(b"a: 1");
        // Ten entries in ten entries, ten deep: small here, 10^10 files on disk.
        let mut bomb = repo.tree(&[("a.yaml", FILE, blob)]);
        for _ in 0..10 {
            let names: Vec<String> = (0..10).map(|n| format!("f{n}")).collect();
            bomb = repo.tree(&names.iter().map(|n| (n.as_str(), FOLDER, bomb)).collect::<Vec<_>>());
        }
        repo.commit("bomb", bomb);
        let mut deep = blob;
        for level in 0..5_000 {
            deep = repo.tree(&[("d", if level == 0 { FILE } else { FOLDER }, deep)]);
        }
        repo.commit("deep", deep);
        repo.commit("slash", repo.tree(&[("../../x.yaml", FILE, blob)]));
        repo.commit("long", repo.tree(&[(&"x".repeat(300), FILE, blob)]));
        let links: Vec<(String, Oid)> =
            (0..50).map(|n| (format!("l{n}.yaml"), repo.blob(format!("l{}.yaml", n + 1).as_bytes()))).collect();
        let chain: Vec<_> = links.iter().map(|(n, id)| (n.as_str(), LINK, *id)).collect();
        repo.commit("chain", repo.tree(&chain));
        let hidden = repo.tree(&[("a.yaml", FILE, blob)]);
        let into = [repo.blob(b".x/a.yaml"), repo.blob(b".x")];
        let hidden = [(".x", FOLDER, hidden), ("a.yaml", LINK, into[0]), ("b.yaml", LINK, into[1])];
        repo.commit("hidden", repo.tree(&hidden));
        // A tree that names objects which are not there, or are something else.
        let missing = Oid::from_str("00000000000000000000000000000000deadbeef").unwrap();
        repo.commit("missing", repo.tree(&[("a.yaml", FILE, missing), ("b", FOLDER, missing), ("c", FOLDER, blob)]));
        fs::create_dir_all(repo.dir.path().join(".git/hooks")).unwrap();
        fs::write(
            repo.dir.path().join(".git/config"),
            "[core]\n\trepositoryformatversion = 0\n\tbare = maybe\n\
            \tworktree = /nowhere\n\tfsmonitor = touch ran\n[filter \"x\"]\n\tsmudge = touch ran\n",
        )
        .unwrap();
        for (branch, code, most) in [
            ("bomb", "SKY0103", 1),
            ("deep", "SKY0103", 1),
            ("slash", "SKY0109", 1),
            ("long", "SKY0109", 1),
            ("chain", "SKY0109", 50),
            ("hidden", "SKY0111", 2),
            ("missing", "SKY0109", 3),
        ] {
            let (_, _, out) = read_revision(repo.dir.path(), branch);
            assert!(!out.is_empty() && out.len() <= most, "{branch}: {}", out.len());
            assert!(out.iter().all(|d| d.code == code), "{branch}: {out:?}");
        }
        assert!(!repo.dir.path().join("ran").exists());
    }
}

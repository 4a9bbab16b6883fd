# A repository whose files are not those that were locked under the commit's name.
export GIT_AUTHOR_NAME=me GIT_AUTHOR_EMAIL=me@example.org GIT_COMMITTER_NAME=me GIT_COMMITTER_EMAIL=me@example.org
export GIT_AUTHOR_DATE=2026-01-31T10:00:00Z GIT_COMMITTER_DATE=2026-01-31T10:00:00Z
git init --quiet --initial-branch=main ../shop
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n' >../shop/web.yaml
git -C ../shop add . && git -C ../shop commit --quiet -m first
sed -i "s|HOME|$HOME|" web.yaml
quietly lock
sed -i 's/sha256: "......../sha256: "00000000/' skyplan.lock
skyplan lock --fetch

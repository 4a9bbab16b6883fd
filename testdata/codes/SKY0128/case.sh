git init -q -b main
git config user.name me
git config user.email me@example.com
git add .
git commit -q -m first
git branch release-1
skyplan validate --rev relaese-1

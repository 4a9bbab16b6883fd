git init -q -b main
git config user.name me
git config user.email me@example.com
git add .
git update-index --add --cacheinfo 160000,$(printf "%040d" 1),shared
git commit -q -m first
skyplan validate --rev main

skyplan explain object/dev/apps/Deployment/web/web --field spec.replica

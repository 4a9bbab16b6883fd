skyplan plan --replace object/dev/apps/Deployment/web/wbe

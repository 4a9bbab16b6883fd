quietly plan
cat >>skyplan.yaml <<'END'
environments:
  - name: staging
  - name: production
END
skyplan plan --env production

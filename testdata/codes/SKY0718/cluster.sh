kubectl apply -f - >/dev/null <<'END'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  names: {kind: Widget, plural: widgets}
  scope: Namespaced
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object}}
END
kubectl wait --for=condition=established crd/widgets.example.com >/dev/null
quietly plan -o plan.json
kubectl delete crd widgets.example.com >/dev/null
skyplan apply plan.json

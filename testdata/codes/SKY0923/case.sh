quietly catalog refresh
edit catalog/lab.yaml 's/0.018/0.001/'
skyplan catalog refresh --check

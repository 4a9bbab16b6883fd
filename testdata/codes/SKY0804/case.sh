quietly plan
edit skyplan.yaml 's/name: shop/name: store/'
skyplan state list

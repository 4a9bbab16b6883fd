skyplan plan --set ProviderProfile/lion.offerings[nuc].price=0.2

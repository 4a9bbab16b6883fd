quietly apply --yes
quietly local down dev
skyplan status
quietly local down dev --delete

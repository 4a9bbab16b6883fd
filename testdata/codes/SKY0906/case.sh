skyplan init

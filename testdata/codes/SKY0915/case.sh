skyplan plan --target dev

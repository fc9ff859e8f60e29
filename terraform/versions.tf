terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

# No provider block: the environment alone says which account and region, AWS or LocalStack, and so
# this folder can be a module too (examples/).

terraform {
  required_version = ">= 1.8"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }
}

# No endpoint and no skip flag: the environment alone says whether this is AWS or LocalStack.
provider "aws" {}

data "aws_caller_identity" "current" {}
data "aws_region" "current" {}

locals {
  # Bucket names are shared by all accounts of AWS.
  unique_name = "${var.name}-${data.aws_caller_identity.current.account_id}-${data.aws_region.current.name}"
}

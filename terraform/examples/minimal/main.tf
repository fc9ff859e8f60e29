# The least that scores rides: everything else is as the variables' defaults say.
#   make package
#   terraform -chdir=terraform/examples/minimal init
#   terraform -chdir=terraform/examples/minimal apply
terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
    }
  }
}

module "ride_scoring" {
  source = "../.."

  name         = var.name
  architecture = var.architecture
}

variable "name" {
  description = "Name of the deployment."
  type        = string
  default     = "minimal"
}

variable "architecture" {
  description = "Processor that the package was built for."
  type        = string
  default     = "x86_64"
}

output "environment" {
  description = "What the simulator and the publisher read."
  value       = module.ride_scoring.environment
}

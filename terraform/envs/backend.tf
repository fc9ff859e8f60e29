# State in S3, for more than one person. Terraform reads it from the folder above alone:
#   cp terraform/envs/backend.tf terraform/
#   terraform -chdir=terraform init -backend-config=envs/prod.s3.tfbackend -backend-config=bucket=NAME
# Without it the state is a file beside the HCL.
terraform {
  backend "s3" {}
}

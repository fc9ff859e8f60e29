"""Plans a deployment from Terraform variables and a ride rate: cost, capacity and first limit.

variables ▸ workload (with sizes and measured figures) ▸ costs, limits ▸ report, drawing
"""

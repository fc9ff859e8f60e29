"""Terraform's variables and a rate of rides in; what it costs, what it needs, what gives out first.

variables ▸ workload (with sizes and measured figures) ▸ costs, limits ▸ report, drawing
"""

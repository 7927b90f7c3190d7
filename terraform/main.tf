# sg-compliance in one account and one region, which may watch others. One file a concern; this one has the names.

provider "aws" {
  region = var.aws_region

  default_tags {
    tags = merge(var.tags, {
      Project     = var.project_name
      Environment = var.environment
      ManagedBy   = "terraform"
    })
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  prefix    = "${var.project_name}-${var.environment}"
  account   = data.aws_caller_identity.current.account_id
  partition = data.aws_partition.current.partition

  # In the account that the functions are in no role is assumed: what may be done there is in their own roles.
  watches_home   = var.organization_wide || length(var.target_accounts) == 0 || contains(var.target_accounts, local.account)
  watches_others = var.organization_wide || length(setsubtract(var.target_accounts, [local.account])) > 0

  # What the switches let be done at all. The roles are made by these, so that dry run is not only the code's word.
  scan_changes  = !var.dry_run_mode && var.enable_automatic_remediation
  events_change = !var.dry_run_mode && var.immediate_remediation_enabled
  events_block  = !var.dry_run_mode && var.block_suspicious_users

  protect_tag = "sg-compliance:protect" # enforcement/guards.py

  # model/metric.py and aws/emf.py.
  figures         = "SecurityGroup/Compliance"
  figures_of_ours = { environment = var.environment }

  roles_in_accounts = {
    scan      = "${local.prefix}-scan"
    remediate = "${local.prefix}-remediate"
    contain   = "${local.prefix}-contain"
  }
}

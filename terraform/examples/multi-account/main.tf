# A security account watches two others in real time. What is critical is answered at once, as the policy says, in one of
# them. Begin in dry run, look at what it would do, and then set dry_run_mode to false.

terraform {
  required_version = ">= 1.9.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0.0, < 7.0.0"
    }
  }
}

locals {
  region   = "eu-west-1"
  regions  = ["eu-west-1", "eu-central-1"]
  payments = "222233334444"
  shop     = "444455556666"
}

variable "external_id" {
  description = "A long random text of your own: openssl rand -hex 24"
  type        = string
}

# Who may make roles and rules in the accounts. The central deployment has a provider of its own.
provider "aws" {
  alias  = "payments"
  region = local.region
  assume_role {
    role_arn = "arn:aws:iam::${local.payments}:role/deploy"
  }
}

provider "aws" {
  alias  = "shop"
  region = local.region
  assume_role {
    role_arn = "arn:aws:iam::${local.shop}:role/deploy"
  }
}

module "sg_compliance" {
  source = "../.."

  environment                   = "prod"
  aws_region                    = local.region
  target_accounts               = [local.payments, local.shop]
  watched_regions               = local.regions
  external_id                   = var.external_id
  dry_run_mode                  = true
  real_time_scanning_enabled    = true
  immediate_remediation_enabled = true
  break_glass_principals        = ["break-glass*"]
  notification_email            = "security-team@example.com"
  object_lock_days              = 30
}

module "payments" {
  source    = "../../modules/member-account"
  providers = { aws = aws.payments }

  central           = module.sg_compliance.member_account
  regions           = local.regions
  allow_remediation = true
}

# Watched, and out of reach: nothing can be changed here.
module "shop" {
  source    = "../../modules/member-account"
  providers = { aws = aws.shop }

  central = module.sg_compliance.member_account
  regions = local.regions
}

output "command_options" {
  value = module.sg_compliance.command_options
}

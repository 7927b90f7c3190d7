# All accounts of an organisation. Deploy it into the management account or a delegated administrator of both Organizations
# and CloudFormation StackSets: accounts that join get their roles and rules by themselves.

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
  region  = "eu-west-1"
  regions = ["eu-west-1", "eu-central-1", "us-east-1"]
  central = module.sg_compliance.member_account
}

variable "organization_id" {
  description = "The organisation, such as o-a1b2c3d4e5."
  type        = string
}

variable "organizational_unit_ids" {
  description = "The units whose accounts are watched, those below them too: r-abcd for all."
  type        = list(string)
}

variable "external_id" {
  description = "A long random text of your own: openssl rand -hex 24"
  type        = string
}

provider "aws" {
  region = local.region
}

module "sg_compliance" {
  source = "../.."

  environment                = "prod"
  aws_region                 = local.region
  organization_wide          = true
  organization_id            = var.organization_id
  watched_regions            = local.regions
  external_id                = var.external_id
  real_time_scanning_enabled = true
  notification_email         = "security-team@example.com"
}

resource "aws_cloudformation_stack_set" "member_accounts" {
  name             = "${local.central.name_prefix}-member-account"
  description      = "What an account needs to be watched by ${local.central.name_prefix}"
  permission_model = "SERVICE_MANAGED"
  capabilities     = ["CAPABILITY_NAMED_IAM"]
  template_body    = file("${path.module}/../../cloudformation/member-account.yaml")

  parameters = {
    NamePrefix       = local.central.name_prefix
    CentralAccountId = local.central.account_id
    ExternalId       = local.central.external_id
    OrganizationId   = local.central.organization_id
    EventBusArn      = local.central.event_bus_arn
    Scanners         = join(",", local.central.scanners)
    Remediators      = join(",", local.central.remediators)
    Containers       = join(",", local.central.containers)
    MainRegion       = local.region
    AllowRemediation = "false"
    AllowContainment = "false"
  }

  auto_deployment {
    enabled                          = true
    retain_stacks_on_account_removal = false
  }

  lifecycle {
    ignore_changes = [administration_role_arn] # AWS sets it for what it manages itself
  }
}

# The main region first: the roles are made there.
resource "aws_cloudformation_stack_instances" "member_accounts" {
  stack_set_name = aws_cloudformation_stack_set.member_accounts.name
  regions        = local.regions

  deployment_targets {
    organizational_unit_ids = var.organizational_unit_ids
  }

  operation_preferences {
    region_order                 = local.regions
    failure_tolerance_percentage = 10
    max_concurrent_percentage    = 25
  }
}

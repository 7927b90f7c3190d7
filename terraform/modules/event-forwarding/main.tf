# Sends what CloudTrail tells of security groups to the central bus, from each region of one account.

terraform {
  required_version = ">= 1.9.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 6.0.0, < 7.0.0"
    }
  }
}

variable "name_prefix" {
  description = "PROJECT-ENVIRONMENT of the central deployment, with which all names begin."
  type        = string
}

variable "regions" {
  description = "The regions whose events are sent. Each must be enabled in the account."
  type        = set(string)
}

variable "event_bus_arn" {
  description = "The central bus."
  type        = string
}

variable "permissions_boundary" {
  description = "The ARN of a permissions boundary for the role."
  type        = string
  default     = null
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  partition = data.aws_partition.current.partition
  account   = data.aws_caller_identity.current.account_id
  rule_name = "${var.name_prefix}-forward"
}

data "aws_iam_policy_document" "events_assumes" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["arn:${local.partition}:events:*:${local.account}:rule/${local.rule_name}"]
    }
  }
}

data "aws_iam_policy_document" "forward" {
  statement {
    sid       = "SendToTheCentralBus"
    actions   = ["events:PutEvents"]
    resources = [var.event_bus_arn]
  }
}

resource "aws_iam_role" "forward" {
  count = length(var.regions) > 0 ? 1 : 0

  name                 = "${var.name_prefix}-forward"
  description          = "EventBridge sends changes of security groups to the central bus"
  assume_role_policy   = data.aws_iam_policy_document.events_assumes.json
  permissions_boundary = var.permissions_boundary
}

resource "aws_iam_role_policy" "forward" {
  count = length(var.regions) > 0 ? 1 : 0

  name   = "what-it-needs"
  role   = aws_iam_role.forward[0].id
  policy = data.aws_iam_policy_document.forward.json
}

resource "aws_cloudwatch_event_rule" "forward" {
  for_each = var.regions

  region        = each.value
  name          = local.rule_name
  description   = "Sends changes of security groups to ${var.event_bus_arn}"
  event_pattern = file("${path.module}/event-pattern.json")
}

# Without a dead letter queue in each region: what is lost on the way is found by the next scan.
resource "aws_cloudwatch_event_target" "forward" {
  for_each = var.regions

  region    = each.value
  rule      = aws_cloudwatch_event_rule.forward[each.value].name
  target_id = "central-bus"
  arn       = var.event_bus_arn
  role_arn  = aws_iam_role.forward[0].arn

  retry_policy {
    maximum_event_age_in_seconds = 86400
    maximum_retry_attempts       = 185
  }

  depends_on = [aws_iam_role_policy.forward]
}

# What calls the functions: timers, people, and CloudTrail's events, which go to a queue first.

locals {
  # The calls that realtime/cloudtrail.py reads, in one file for all accounts; a test holds the two together.
  event_pattern = file("${path.module}/modules/event-forwarding/event-pattern.json")

  calls = {
    schedule = {
      function    = "scan"
      description = "Scans everything"
      schedule    = var.compliance_schedule
      pattern     = null
      input       = null
    }
    manual = {
      function    = "scan"
      description = "Scans what somebody asks for: at most what is deployed, and never with more rights"
      schedule    = null
      pattern = jsonencode({
        account     = [local.account]
        source      = ["custom.security.compliance"]
        detail-type = ["Manual Compliance Scan"]
      })
      input = null
    }
    hourly = {
      function    = "digest"
      description = "Tells what is high, and takes away blocks that are over"
      schedule    = "rate(1 hour)"
      pattern     = null
      input       = jsonencode({ digest = "hourly" })
    }
    daily = {
      function    = "digest"
      description = "Tells what is medium"
      schedule    = "cron(0 7 * * ? *)"
      pattern     = null
      input       = jsonencode({ digest = "daily" })
    }
    weekly = {
      function    = "digest"
      description = "Tells what is low"
      schedule    = "cron(30 7 ? * MON *)"
      pattern     = null
      input       = jsonencode({ digest = "weekly" })
    }
  }

  event_buses = {
    default = "default"
    central = aws_cloudwatch_event_bus.central.name
  }

  forwards_at_home = local.watches_home && var.real_time_scanning_enabled
}

# ---- Timers, and scans by hand ----

resource "aws_cloudwatch_event_rule" "call" {
  for_each = local.calls

  name                = "${local.prefix}-${each.key}"
  description         = each.value.description
  schedule_expression = each.value.schedule
  event_pattern       = each.value.pattern
}

resource "aws_cloudwatch_event_target" "call" {
  for_each = local.calls

  rule      = aws_cloudwatch_event_rule.call[each.key].name
  target_id = each.value.function
  arn       = aws_lambda_function.this[each.value.function].arn
  input     = each.value.input

  retry_policy {
    maximum_event_age_in_seconds = 3600
    maximum_retry_attempts       = 10
  }

  dead_letter_config {
    arn = aws_sqs_queue.undelivered.arn
  }
}

# ---- CloudTrail's events ----

# Where other accounts, and other regions of this one, send theirs.
resource "aws_cloudwatch_event_bus" "central" {
  name        = local.prefix
  description = "Changes of security groups in the accounts that are watched"
}

data "aws_iam_policy_document" "central_bus" {
  statement {
    sid       = "ForwardingRolesOfWatchedAccounts"
    actions   = ["events:PutEvents"]
    resources = [aws_cloudwatch_event_bus.central.arn]
    principals {
      type        = "AWS"
      identifiers = length(var.target_accounts) > 0 ? var.target_accounts : var.organization_wide ? ["*"] : [local.account]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:PrincipalArn"
      values   = ["arn:${local.partition}:iam::*:role/${local.prefix}-forward"]
    }
    dynamic "condition" {
      for_each = var.organization_id != "" ? [var.organization_id] : []
      content {
        test     = "StringEquals"
        variable = "aws:PrincipalOrgID"
        values   = [condition.value]
      }
    }
  }
}

resource "aws_cloudwatch_event_bus_policy" "central" {
  event_bus_name = aws_cloudwatch_event_bus.central.name
  policy         = data.aws_iam_policy_document.central_bus.json
}

resource "aws_cloudwatch_event_rule" "changes" {
  for_each = local.event_buses

  name           = "${local.prefix}-changes"
  description    = "Puts changes of security groups on the queue"
  event_bus_name = each.value
  event_pattern  = local.event_pattern
  state          = var.real_time_scanning_enabled && (each.key == "central" || local.watches_home) ? "ENABLED" : "DISABLED"
}

resource "aws_cloudwatch_event_target" "changes" {
  for_each = local.event_buses

  rule           = aws_cloudwatch_event_rule.changes[each.key].name
  event_bus_name = each.value
  target_id      = "queue"
  arn            = aws_sqs_queue.events.arn

  retry_policy {
    maximum_event_age_in_seconds = 86400
    maximum_retry_attempts       = 185
  }

  dead_letter_config {
    arn = aws_sqs_queue.undelivered.arn
  }

  depends_on = [aws_sqs_queue_policy.this]
}

# This account's other regions.
module "forwarding" {
  source = "./modules/event-forwarding"

  name_prefix          = local.prefix
  regions              = local.forwards_at_home ? setsubtract(var.watched_regions, [var.aws_region]) : []
  event_bus_arn        = aws_cloudwatch_event_bus.central.arn
  permissions_boundary = var.permissions_boundary
}

# What waits for `respond` and `recheck`. Who could write to these could tell of calls that nobody made: nobody but
# EventBridge and the functions may, and people who send dead letters back (operator_role_arns).

locals {
  # Lambda takes a message again when it is shown again, so a failed one waits for as long (Lambda developer guide, SQS:
  # at least six times the function's timeout).
  hidden_seconds = 6 * var.real_time_timeout
  most_tries     = 10
  kept_seconds   = 4 * 24 * 3600

  # Who may send what, beside whom: the rules by ARN, the functions by their roles.
  senders = {
    events      = { rules = [for rule in aws_cloudwatch_event_rule.changes : rule.arn], functions = [] }
    rechecks    = { rules = [], functions = ["respond", "recheck"] }
    dead        = { rules = [], functions = ["respond", "recheck"] }
    undelivered = { rules = local.rules_arns, functions = [] }
  }
}

resource "aws_sqs_queue" "events" {
  name                       = "${local.prefix}-events"
  visibility_timeout_seconds = local.hidden_seconds
  message_retention_seconds  = local.kept_seconds
  kms_master_key_id          = aws_kms_key.this.arn
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = local.most_tries
  })
}

resource "aws_sqs_queue" "rechecks" {
  name                       = "${local.prefix}-rechecks"
  visibility_timeout_seconds = local.hidden_seconds
  message_retention_seconds  = local.kept_seconds
  kms_master_key_id          = aws_kms_key.this.arn
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = local.most_tries
  })
}

data "aws_iam_policy_document" "queue" {
  for_each = local.senders

  dynamic "statement" {
    for_each = length(each.value.rules) > 0 ? [each.value.rules] : []
    content {
      sid       = "RulesSend"
      actions   = ["sqs:SendMessage"]
      resources = [local.queues[each.key]]
      principals {
        type        = "Service"
        identifiers = ["events.amazonaws.com"]
      }
      condition {
        test     = "ArnLike"
        variable = "aws:SourceArn"
        values   = statement.value
      }
    }
  }

  # The key that is missing counts as different: who is no rule has no source, and a rule is no role.
  statement {
    sid       = "NobodyElseSends"
    effect    = "Deny"
    actions   = ["sqs:SendMessage"]
    resources = [local.queues[each.key]]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    dynamic "condition" {
      for_each = length(each.value.rules) > 0 ? [each.value.rules] : []
      content {
        test     = "ArnNotLike"
        variable = "aws:SourceArn"
        values   = condition.value
      }
    }
    dynamic "condition" {
      for_each = length(each.value.functions) + length(var.operator_role_arns) > 0 ? [true] : []
      content {
        test     = "ArnNotLike"
        variable = "aws:PrincipalArn"
        values   = concat([for name in each.value.functions : aws_iam_role.function[name].arn], var.operator_role_arns)
      }
    }
  }

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [local.queues[each.key]]
    principals {
      type        = "*"
      identifiers = ["*"]
    }
    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue_policy" "this" {
  for_each = {
    events      = aws_sqs_queue.events.url
    rechecks    = aws_sqs_queue.rechecks.url
    dead        = aws_sqs_queue.dead.url
    undelivered = aws_sqs_queue.undelivered.url
  }

  queue_url = each.value
  policy    = data.aws_iam_policy_document.queue[each.key].json
}

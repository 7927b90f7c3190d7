# One key for all that is kept here. Its policy lets the account's own IAM policies decide, and each service use it for
# what is of this deployment only.

locals {
  # Names, not references: the resources need the key first.
  log_groups_arn = "arn:${local.partition}:logs:${var.aws_region}:${local.account}:log-group:/aws/lambda/${local.prefix}-*"
  alarms_arn     = "arn:${local.partition}:cloudwatch:${var.aws_region}:${local.account}:alarm:${local.prefix}-*"
  trail_arn      = "arn:${local.partition}:cloudtrail:${var.aws_region}:${local.account}:trail/${local.prefix}"
  rules_arns = [
    "arn:${local.partition}:events:${var.aws_region}:${local.account}:rule/${local.prefix}-*",
    "arn:${local.partition}:events:${var.aws_region}:${local.account}:rule/${local.prefix}/${local.prefix}-*",
  ]
  queue_arns = {
    for name in ["events", "rechecks", "dead", "undelivered"] :
    name => "arn:${local.partition}:sqs:${var.aws_region}:${local.account}:${local.prefix}-${name}"
  }
}

data "aws_iam_policy_document" "key" {
  # In a key policy `*` is this key and no other (KMS developer guide, key policies).
  statement {
    sid = "TheAccountAdministersTheKeyByIamPolicies"
    actions = [
      "kms:CancelKeyDeletion",
      "kms:CreateAlias",
      "kms:DeleteAlias",
      "kms:DescribeKey",
      "kms:DisableKey",
      "kms:DisableKeyRotation",
      "kms:EnableKey",
      "kms:EnableKeyRotation",
      "kms:GetKeyPolicy",
      "kms:GetKeyRotationStatus",
      "kms:ListGrants",
      "kms:ListKeyPolicies",
      "kms:ListKeyRotations",
      "kms:ListResourceTags",
      "kms:PutKeyPolicy",
      "kms:RevokeGrant",
      "kms:RotateKeyOnDemand",
      "kms:ScheduleKeyDeletion",
      "kms:TagResource",
      "kms:UntagResource",
      "kms:UpdateAlias",
      "kms:UpdateKeyDescription",
    ]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
    }
  }

  statement {
    sid       = "TheAccountUsesTheKeyByIamPolicies"
    actions   = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
    }
  }

  # DynamoDB and Lambda keep a grant of whoever makes a table or a function.
  statement {
    sid       = "ServicesGetGrantsFromWhoMakesWhatTheyEncrypt"
    actions   = ["kms:CreateGrant"]
    resources = ["*"]
    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${local.account}:root"]
    }
    condition {
      test     = "Bool"
      variable = "kms:GrantIsForAWSResource"
      values   = ["true"]
    }
  }

  statement {
    sid = "CloudWatchLogsEncryptsTheFunctionsLogs"
    actions = [
      "kms:Decrypt",
      "kms:DescribeKey",
      "kms:Encrypt",
      "kms:GenerateDataKey",
      "kms:GenerateDataKeyWithoutPlaintext",
      "kms:ReEncryptFrom",
      "kms:ReEncryptTo",
    ]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["logs.${var.aws_region}.amazonaws.com"]
    }
    condition {
      test     = "ArnLike"
      variable = "kms:EncryptionContext:aws:logs:arn"
      values   = [local.log_groups_arn]
    }
  }

  # By queue and not by rule: KMS is asked by SQS, and aws:SourceArn cannot be relied on there. Were it missing, every event
  # would be lost. Which rule may send is in the queues' policies.
  statement {
    sid       = "EventBridgeSendsToTheQueues"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "kms:EncryptionContext:aws:sqs:arn"
      values   = [local.queue_arns["events"], local.queue_arns["undelivered"]]
    }
  }

  statement {
    sid       = "AlarmsPublishToTheTopics"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = ["*"]
    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [local.account]
    }
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [local.alarms_arn]
    }
  }

  dynamic "statement" {
    for_each = var.enable_cloudtrail ? [local.trail_arn] : []
    content {
      sid       = "CloudTrailEncryptsTheTrail"
      actions   = ["kms:DescribeKey", "kms:GenerateDataKey"]
      resources = ["*"]
      principals {
        type        = "Service"
        identifiers = ["cloudtrail.amazonaws.com"]
      }
      condition {
        test     = "StringEquals"
        variable = "aws:SourceArn"
        values   = [statement.value]
      }
    }
  }
}

resource "aws_kms_key" "this" {
  description             = "${local.prefix}: policy, backups, audit log, findings, messages and logs"
  deletion_window_in_days = var.kms_key_deletion_window
  enable_key_rotation     = true
  policy                  = data.aws_iam_policy_document.key.json
}

resource "aws_kms_alias" "this" {
  name          = "alias/${local.prefix}-compliance"
  target_key_id = aws_kms_key.this.key_id
}

# The functions' own roles. Each gets what its adapters call (IAM_ACTIONS in src/sg_compliance/aws) and no more; tests hold
# the two together. Roles in other accounts are in modules/member-account.

locals {
  # What is said of the functions in one place: roles, functions, logs and alarms are made from it. One more is one entry.
  functions = {
    scan = {
      does        = "scans every account, tells what is critical, and mends where that is switched on"
      timeout     = var.lambda_timeout
      concurrency = 1
      assumes     = concat(["scan"], local.scan_changes ? ["remediate"] : [])
      writes      = ["audit", "backups", "reports"]
      reads_ec2   = concat(local.describing, ["ec2:DescribeRegions"])
      reads_lists = ["ec2:GetManagedPrefixListEntries"]
      organizes   = var.organization_wide
      changes     = local.scan_changes
      blocks      = false
      sends_to    = []
      takes_from  = []
    }
    respond = merge(local.answering, {
      does       = "judges the security groups that events tell of, and does at once what the policy wants"
      takes_from = ["events"]
    })
    recheck = merge(local.answering, {
      does       = "looks once more at groups that were not shown yet, or whose grace period is over"
      takes_from = ["rechecks"]
    })
    digest = {
      does        = "tells what waits, and takes away blocks that are over"
      timeout     = var.lambda_timeout
      concurrency = 1
      assumes     = var.block_suspicious_users ? ["contain"] : []
      writes      = ["audit"]
      reads_ec2   = []
      reads_lists = []
      organizes   = false
      changes     = false
      blocks      = var.block_suspicious_users
      sends_to    = []
      takes_from  = []
    }
  }

  answering = {
    timeout     = var.real_time_timeout
    concurrency = var.real_time_concurrency
    assumes     = concat(["scan"], local.events_change ? ["remediate"] : [], var.block_suspicious_users ? ["contain"] : [])
    writes      = ["audit", "backups"]
    reads_ec2   = local.describing
    reads_lists = ["ec2:GetManagedPrefixListAssociations", "ec2:GetManagedPrefixListEntries"]
    organizes   = false
    changes     = local.events_change
    blocks      = var.block_suspicious_users
    sends_to    = ["rechecks", "dead"]
  }

  describing = [
    "ec2:DescribeManagedPrefixLists",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroups",
  ]

  queues = {
    events      = aws_sqs_queue.events.arn
    rechecks    = aws_sqs_queue.rechecks.arn
    dead        = aws_sqs_queue.dead.arn
    undelivered = aws_sqs_queue.undelivered.arn
  }

  own_groups = [
    "arn:${local.partition}:ec2:*:${local.account}:security-group/*",
    "arn:${local.partition}:ec2:*:${local.account}:security-group-rule/*",
  ]

  # Never blocked, here as in the code: our own roles, services' roles, roles of IAM Identity Center, the break-glass list.
  never_blocked = concat(
    [
      "arn:${local.partition}:iam::${local.account}:role/${local.prefix}-*",
      "arn:${local.partition}:iam::${local.account}:role/aws-service-role/*",
      "arn:${local.partition}:iam::${local.account}:role/aws-reserved/*",
    ],
    [for each in var.cross_account_role_names : "arn:${local.partition}:iam::${local.account}:role/${each}"],
    [for each in var.break_glass_principals : each if startswith(each, "arn:")],
    [
      for each in var.break_glass_principals : "arn:${local.partition}:iam::${local.account}:${each}"
      if !startswith(each, "arn:") && strcontains(each, "/")
    ],
    [
      for each in setproduct([for each in var.break_glass_principals : each if !strcontains(each, "/")], ["role", "user"]) :
      "arn:${local.partition}:iam::${local.account}:${each[1]}/*${each[0]}"
    ],
  )
}

data "aws_iam_policy_document" "lambda_assumes" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

# Nobody but Lambda may have sessions of these: SG_COMPLIANCE_OWN_ROLES takes any session of them for ours.
resource "aws_iam_role" "function" {
  for_each = local.functions

  name                 = "${local.prefix}-${each.key}-function"
  description          = "Of the function ${local.prefix}-${each.key}, which ${each.value.does}"
  assume_role_policy   = data.aws_iam_policy_document.lambda_assumes.json
  permissions_boundary = var.permissions_boundary
}

resource "aws_iam_role_policy" "function" {
  for_each = local.functions

  name   = "what-it-needs"
  role   = aws_iam_role.function[each.key].id
  policy = data.aws_iam_policy_document.function[each.key].json
}

data "aws_iam_policy_document" "function" {
  for_each = local.functions

  statement {
    sid       = "WriteItsLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.function[each.key].arn}:*"]
  }

  statement {
    sid       = "UseTheKey"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [aws_kms_key.this.arn]
  }

  statement {
    sid = "KeepTheJournal"
    actions = [
      "dynamodb:BatchGetItem",
      "dynamodb:DeleteItem",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
      "dynamodb:UpdateItem",
    ]
    resources = [aws_dynamodb_table.this.arn]
  }

  statement {
    sid     = "ReadPolicyAndState"
    actions = ["s3:GetObject"]
    resources = concat(
      ["${aws_s3_bucket.this.arn}/${local.policy_key}"],
      [for folder in each.value.writes : "${aws_s3_bucket.this.arn}/${local.state_prefix}/${folder}/*"],
    )
  }

  statement {
    sid       = "WriteState"
    actions   = ["s3:PutObject"]
    resources = [for folder in each.value.writes : "${aws_s3_bucket.this.arn}/${local.state_prefix}/${folder}/*"]
  }

  # Without it S3 says of what is not there that it is forbidden. Not bound to a prefix: a GetObject has none.
  statement {
    sid       = "SeeWhatIsNotThere"
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.this.arn]
  }

  # Read, not set: people pause and resume, and the functions obey.
  statement {
    sid     = "ReadTheSwitches"
    actions = ["ssm:GetParameter"]
    resources = [
      for parameter in [aws_ssm_parameter.log_level, aws_ssm_parameter.paused] :
      "arn:${local.partition}:ssm:${var.aws_region}:${local.account}:parameter${parameter.name}"
    ]
  }

  statement {
    sid       = "TellPeople"
    actions   = ["sns:Publish"]
    resources = [for topic in aws_sns_topic.this : topic.arn]
  }

  # ---- Queues ----

  dynamic "statement" {
    for_each = length(each.value.takes_from) > 0 ? [each.value.takes_from] : []
    content {
      sid       = "LambdaTakesMessages"
      actions   = ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
      resources = [for queue in statement.value : local.queues[queue]]
    }
  }

  dynamic "statement" {
    for_each = length(each.value.sends_to) > 0 ? [each.value.sends_to] : []
    content {
      sid       = "SendSecondLooksAndDeadLetters"
      actions   = ["sqs:SendMessage"]
      resources = [for queue in statement.value : local.queues[queue]]
    }
  }

  # ---- Other accounts ----

  dynamic "statement" {
    for_each = local.watches_others && length(each.value.assumes) > 0 ? [each.value.assumes] : []
    content {
      sid     = "EnterTheAccounts"
      actions = ["sts:AssumeRole"]
      resources = [
        for name in concat([for role in statement.value : local.roles_in_accounts[role]], var.cross_account_role_names) :
        "arn:${local.partition}:iam::*:role/${name}"
      ]
      dynamic "condition" {
        for_each = var.organization_id != "" ? [var.organization_id] : []
        content {
          test     = "StringEquals"
          variable = "aws:ResourceOrgID"
          values   = [condition.value]
        }
      }
      dynamic "condition" {
        for_each = length(var.target_accounts) > 0 ? [var.target_accounts] : []
        content {
          test     = "StringEquals"
          variable = "aws:ResourceAccount"
          values   = condition.value
        }
      }
    }
  }

  # `*`: ListAccounts knows no resources, and the others are asked about whatever units there are.
  dynamic "statement" {
    for_each = each.value.organizes ? [true] : []
    content {
      sid = "ListTheOrganisationsAccounts"
      actions = [
        "organizations:ListAccounts",
        "organizations:ListAccountsForParent",
        "organizations:ListOrganizationalUnitsForParent",
      ]
      resources = ["*"]
    }
  }

  # ---- The account that the functions are in, where it is watched: no role is assumed there ----

  # `*`: EC2's describing actions know no resources.
  dynamic "statement" {
    for_each = local.watches_home && length(each.value.reads_ec2) > 0 ? [each.value.reads_ec2] : []
    content {
      sid       = "DescribeSecurityGroups"
      actions   = statement.value
      resources = ["*"]
    }
  }

  # Of any account: AWS's own lists, and lists that others share, can be referred to.
  dynamic "statement" {
    for_each = local.watches_home && length(each.value.reads_lists) > 0 ? [each.value.reads_lists] : []
    content {
      sid       = "ReadPrefixLists"
      actions   = statement.value
      resources = ["arn:${local.partition}:ec2:*:*:prefix-list/*"]
    }
  }

  dynamic "statement" {
    for_each = local.watches_home && each.value.changes ? [true] : []
    content {
      sid = "ChangeSecurityGroups"
      actions = [
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:RevokeSecurityGroupEgress",
        "ec2:RevokeSecurityGroupIngress",
        "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
        "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
      ]
      resources = local.own_groups
      condition {
        test     = "StringNotEqualsIgnoreCase"
        variable = "aws:ResourceTag/${local.protect_tag}"
        values   = ["true"]
      }
    }
  }

  dynamic "statement" {
    for_each = local.watches_home && each.value.changes ? [true] : []
    content {
      sid       = "TagSecurityGroups"
      actions   = ["ec2:CreateTags", "ec2:DeleteTags"]
      resources = local.own_groups
    }
  }

  # Else the tag that protects a group could be taken off first. To delete tags without naming them deletes all.
  dynamic "statement" {
    for_each = local.watches_home && each.value.changes ? [true] : []
    content {
      sid       = "LeaveTheProtectingTagAlone"
      effect    = "Deny"
      actions   = ["ec2:CreateTags", "ec2:DeleteTags"]
      resources = local.own_groups
      condition {
        test     = "ForAnyValue:StringEquals"
        variable = "aws:TagKeys"
        values   = [local.protect_tag]
      }
    }
  }

  dynamic "statement" {
    for_each = local.watches_home && each.value.changes ? [true] : []
    content {
      sid       = "LeaveTheTagsOfProtectedGroupsAlone"
      effect    = "Deny"
      actions   = ["ec2:DeleteTags"]
      resources = local.own_groups
      condition {
        test     = "StringEqualsIgnoreCase"
        variable = "aws:ResourceTag/${local.protect_tag}"
        values   = ["true"]
      }
    }
  }

  # IAM cannot bound what a policy says that is put, so this is much: see docs/permissions.md. Only with
  # block_suspicious_users.
  dynamic "statement" {
    for_each = local.watches_home && each.value.blocks ? [true] : []
    content {
      sid = "SeeWhoWouldBeBlocked"
      actions = [
        "iam:GetRole",
        "iam:GetRolePolicy",
        "iam:GetUser",
        "iam:GetUserPolicy",
      ]
      resources = [
        "arn:${local.partition}:iam::${local.account}:role/*",
        "arn:${local.partition}:iam::${local.account}:user/*",
      ]
    }
  }

  dynamic "statement" {
    for_each = local.watches_home && each.value.blocks && local.events_block ? [true] : []
    content {
      sid = "BlockPrincipals"
      actions = [
        "iam:DeleteRolePolicy",
        "iam:DeleteUserPolicy",
        "iam:PutRolePolicy",
        "iam:PutUserPolicy",
      ]
      resources = [
        "arn:${local.partition}:iam::${local.account}:role/*",
        "arn:${local.partition}:iam::${local.account}:user/*",
      ]
    }
  }

  dynamic "statement" {
    for_each = local.watches_home && each.value.blocks && local.events_block ? [true] : []
    content {
      sid    = "NeverBlock"
      effect = "Deny"
      actions = [
        "iam:DeleteRolePolicy",
        "iam:DeleteUserPolicy",
        "iam:PutRolePolicy",
        "iam:PutUserPolicy",
      ]
      resources = local.never_blocked
    }
  }
}

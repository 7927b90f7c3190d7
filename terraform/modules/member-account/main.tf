# What an account needs to be watched: a role that reads, one that changes security groups and one that blocks principals,
# the last two only where they are asked for; and its events on their way to the central bus.
# cloudformation/member-account.yaml makes the same for StackSets; a test holds the two together.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  partition   = data.aws_partition.current.partition
  account     = data.aws_caller_identity.current.account_id
  protect_tag = "sg-compliance:protect"

  roles = merge(
    {
      scan = {
        does    = "Reads security groups, and changes nothing"
        trusted = var.central.scanners
        policy  = data.aws_iam_policy_document.scan.json
      }
    },
    var.allow_remediation ? {
      remediate = {
        does    = "Changes the rules and tags of security groups"
        trusted = var.central.remediators
        policy  = data.aws_iam_policy_document.remediate.json
      }
    } : {},
    var.allow_containment ? {
      contain = {
        does    = "Blocks users and roles, and lets them go"
        trusted = var.central.containers
        policy  = data.aws_iam_policy_document.contain.json
      }
    } : {},
  )

  own_groups = [
    "arn:${local.partition}:ec2:*:${local.account}:security-group/*",
    "arn:${local.partition}:ec2:*:${local.account}:security-group-rule/*",
  ]

  principals = [
    "arn:${local.partition}:iam::${local.account}:role/*",
    "arn:${local.partition}:iam::${local.account}:user/*",
  ]
}

resource "aws_iam_role" "this" {
  for_each = local.roles

  name                 = "${var.central.name_prefix}-${each.key}"
  description          = each.value.does
  max_session_duration = 3600
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json
  permissions_boundary = var.permissions_boundary
}

resource "aws_iam_role_policy" "this" {
  for_each = local.roles

  name   = "what-it-needs"
  role   = aws_iam_role.this[each.key].id
  policy = each.value.policy
}

# The account of the functions as a whole, and of it only the roles that are named: so a role that is made anew is let in
# again. Sessions of other roles there, and the root user, are not.
data "aws_iam_policy_document" "trust" {
  for_each = local.roles

  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "AWS"
      identifiers = ["arn:${local.partition}:iam::${var.central.account_id}:root"]
    }
    condition {
      test     = "ArnEquals"
      variable = "aws:PrincipalArn"
      values   = concat(each.value.trusted, var.operator_role_arns)
    }
    condition {
      test     = "StringEquals"
      variable = "sts:ExternalId"
      values   = [var.central.external_id]
    }
    dynamic "condition" {
      for_each = var.central.organization_id != "" ? [var.central.organization_id] : []
      content {
        test     = "StringEquals"
        variable = "aws:PrincipalOrgID"
        values   = [condition.value]
      }
    }
  }
}

# ---- What each may do ----

data "aws_iam_policy_document" "scan" {
  # `*`: EC2's describing actions know no resources.
  statement {
    sid = "DescribeSecurityGroups"
    actions = [
      "ec2:DescribeManagedPrefixLists",
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeRegions",
      "ec2:DescribeSecurityGroupRules",
      "ec2:DescribeSecurityGroups",
    ]
    resources = ["*"]
  }

  # Of any account: AWS's own lists, and lists that others share, can be referred to.
  statement {
    sid       = "ReadPrefixLists"
    actions   = ["ec2:GetManagedPrefixListAssociations", "ec2:GetManagedPrefixListEntries"]
    resources = ["arn:${local.partition}:ec2:*:*:prefix-list/*"]
  }
}

data "aws_iam_policy_document" "remediate" {
  # `*`: EC2's describing actions know no resources.
  statement {
    sid = "DescribeSecurityGroups"
    actions = [
      "ec2:DescribeNetworkInterfaces",
      "ec2:DescribeSecurityGroupRules",
      "ec2:DescribeSecurityGroups",
    ]
    resources = ["*"]
  }

  statement {
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
    dynamic "condition" {
      for_each = var.change_protected_groups ? [] : [true]
      content {
        test     = "StringNotEqualsIgnoreCase"
        variable = "aws:ResourceTag/${local.protect_tag}"
        values   = ["true"]
      }
    }
  }

  statement {
    sid       = "TagSecurityGroups"
    actions   = ["ec2:CreateTags", "ec2:DeleteTags"]
    resources = local.own_groups
  }

  # Else the tag that protects a group could be taken off first. To delete tags without naming them deletes all.
  statement {
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

  dynamic "statement" {
    for_each = var.change_protected_groups ? [] : [true]
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
}

# IAM cannot bound what a policy says that is put: what must never be touched is denied by name.
data "aws_iam_policy_document" "contain" {
  statement {
    sid = "BlockPrincipals"
    actions = [
      "iam:DeleteRolePolicy",
      "iam:DeleteUserPolicy",
      "iam:GetRole",
      "iam:GetRolePolicy",
      "iam:GetUser",
      "iam:GetUserPolicy",
      "iam:PutRolePolicy",
      "iam:PutUserPolicy",
    ]
    resources = local.principals
  }

  statement {
    sid    = "NeverBlock"
    effect = "Deny"
    actions = [
      "iam:DeleteRolePolicy",
      "iam:DeleteUserPolicy",
      "iam:PutRolePolicy",
      "iam:PutUserPolicy",
    ]
    resources = concat(
      [
        "arn:${local.partition}:iam::${local.account}:role/${var.central.name_prefix}-*",
        "arn:${local.partition}:iam::${local.account}:role/aws-service-role/*",
        "arn:${local.partition}:iam::${local.account}:role/aws-reserved/*",
      ],
      [
        for each in setproduct(var.break_glass_principals, ["role", "user"]) :
        "arn:${local.partition}:iam::${local.account}:${each[1]}/*${each[0]}"
      ],
    )
  }
}

# ---- Events ----

module "forwarding" {
  source = "../event-forwarding"

  name_prefix          = var.central.name_prefix
  regions              = var.regions
  event_bus_arn        = var.central.event_bus_arn
  permissions_boundary = var.permissions_boundary
}

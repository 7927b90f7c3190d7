"""What is kept is encrypted with the project's key, cannot be deleted by mistake, and lasts as long as it has to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.terraform.paper import ACCOUNT, REGION, actions, listed, statements

if TYPE_CHECKING:
    from tests.builders import Json
    from tests.terraform.paper import Applied

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("terraform")]


def test_everything_is_encrypted_with_the_projects_key(everything: Applied) -> None:
    key = everything.one("aws_kms_key")["arn"]
    buckets = everything.of("aws_s3_bucket_server_side_encryption_configuration").values()
    defaults = [each["rule"][0]["apply_server_side_encryption_by_default"][0] for each in buckets]
    used = [
        *(each["kms_master_key_id"] for each in everything.of("aws_sqs_queue").values()),
        *(each["kms_master_key_id"] for each in everything.of("aws_sns_topic").values()),
        *(each["kms_key_id"] for each in everything.of("aws_cloudwatch_log_group").values()),
        *(each["kms_key_arn"] for each in everything.of("aws_lambda_function").values()),
        *(each["kms_master_key_id"] for each in defaults),
        everything.one("aws_dynamodb_table")["server_side_encryption"][0]["kms_key_arn"],
        everything.one("aws_s3_object")["kms_key_id"],
        everything.one("aws_cloudtrail")["kms_key_id"],
        everything.one("aws_ssm_parameter", "log_level")["key_id"],
    ]
    assert len(used) == 4 + 3 + 4 + 4 + 2 + 4
    assert set(used) == {key}
    assert {each["sse_algorithm"] for each in defaults} == {"aws:kms"}


def test_the_key_is_rotated_and_can_be_had_back(least: Applied) -> None:
    key = least.one("aws_kms_key")
    assert key["enable_key_rotation"] is True
    assert key["deletion_window_in_days"] == 30
    assert least.one("aws_kms_alias")["name"] == "alias/sg-compliance-dev-compliance"


def of_service(document: Json, service: str) -> Json:
    (found,) = [each for each in statements(document) if each["Principal"] == {"Service": service}]
    return dict(found)


def test_services_use_the_key_for_what_is_ours_only(everything: Applied) -> None:
    policy = json.loads(everything.one("aws_kms_key")["policy"])
    queues = everything.of("aws_sqs_queue")
    events = of_service(policy, "events.amazonaws.com")
    assert set(events["Condition"]["StringEquals"]["kms:EncryptionContext:aws:sqs:arn"]) == {
        queues["events"]["arn"],
        queues["undelivered"]["arn"],
    }
    logs = of_service(policy, f"logs.{REGION}.amazonaws.com")
    pattern = logs["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"]
    for group in everything.of("aws_cloudwatch_log_group").values():
        assert f"{pattern.removesuffix('*')}" in f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group['name']}"
    trail = of_service(policy, "cloudtrail.amazonaws.com")
    assert trail["Condition"]["StringEquals"]["aws:SourceArn"].endswith(
        f"trail/{everything.one('aws_cloudtrail')['name']}"
    )
    alarms = of_service(policy, "cloudwatch.amazonaws.com")
    assert alarms["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    assert alarms["Condition"]["ArnLike"]["aws:SourceArn"].endswith("alarm:sg-compliance-dev-*")


def test_nobody_gets_at_the_key_by_its_policy_but_the_account_and_services(everything: Applied, least: Applied) -> None:
    policy = json.loads(everything.one("aws_kms_key")["policy"])
    root = {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}
    for statement in statements(policy):
        assert statement["Principal"] == root or set(statement["Principal"]) == {"Service"}
        if statement["Principal"] != root:
            assert statement["Condition"]
            assert set(listed(statement["Action"])) <= {
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:GenerateDataKey",
                "kms:GenerateDataKeyWithoutPlaintext",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
            }
    assert "kms:PutKeyPolicy" in actions(policy)  # KMS takes no policy that nobody could change
    assert "cloudtrail" not in least.one("aws_kms_key")["policy"]


# ---- the bucket ----


def test_the_bucket_is_nobody_elses(everything: Applied) -> None:
    for name in ("this", "trail"):
        block = everything.one("aws_s3_bucket_public_access_block", name)
        switches = ("block_public_acls", "block_public_policy", "ignore_public_acls", "restrict_public_buckets")
        assert all(block[each] for each in switches)
        owner = everything.one("aws_s3_bucket_ownership_controls", name)["rule"][0]["object_ownership"]
        assert owner == "BucketOwnerEnforced"
        versions = everything.one("aws_s3_bucket_versioning", name)["versioning_configuration"][0]["status"]
        assert versions == "Enabled"


def test_no_object_is_put_under_another_key(everything: Applied) -> None:
    policy = json.loads(everything.one("aws_s3_bucket_policy", "this")["policy"])
    denied = [each["Condition"] for each in statements(policy, "Deny") if each["Action"] == "s3:PutObject"]
    header = "s3:x-amz-server-side-encryption"
    key = everything.one("aws_kms_key")["arn"]
    assert denied == [
        {"Null": {f"{header}-aws-kms-key-id": "false"}, "StringNotEquals": {f"{header}-aws-kms-key-id": key}},
        {"Null": {header: "false"}, "StringNotEquals": {header: "aws:kms"}},
        {"StringEquals": {header: "aws:kms"}, "Null": {f"{header}-aws-kms-key-id": "true"}},
    ]


def test_the_functions_delete_nothing_whatever_their_roles_allow(everything: Applied) -> None:
    policy = json.loads(everything.one("aws_s3_bucket_policy", "this")["policy"])
    (denied,) = [each for each in statements(policy, "Deny") if "s3:DeleteObjectVersion" in listed(each["Action"])]
    roles = {each["arn"] for each in everything.of("aws_iam_role", "function").values()}
    assert set(denied["Principal"]["AWS"]) == roles
    assert "Condition" not in denied


def lifecycle(applied: Applied) -> dict[str, Json]:
    rules = applied.one("aws_s3_bucket_lifecycle_configuration", "this")["rule"]
    return {rule["id"]: rule for rule in rules}


def test_the_audit_log_never_ends_and_backups_do(least: Applied) -> None:
    rules = lifecycle(least)
    assert {name: rule["filter"][0]["prefix"] for name, rule in rules.items()} == {
        "backups": "state/backups/",
        "reports": "state/reports/",
        "audit": "state/audit/",
        "what-was-replaced": "",
    }
    assert rules["audit"]["expiration"] == []
    assert rules["backups"]["expiration"][0]["days"] == 400
    assert {rule["status"] for rule in rules.values()} == {"Enabled"}


def test_object_lock_is_there_where_it_is_asked_for(least: Applied, everything: Applied) -> None:
    assert least.of("aws_s3_bucket_object_lock_configuration") == {}
    assert everything.one("aws_s3_bucket", "this")["object_lock_enabled"] is True
    retention = everything.one("aws_s3_bucket_object_lock_configuration")["rule"][0]["default_retention"][0]
    assert (retention["mode"], retention["days"]) == ("GOVERNANCE", 30)


def test_the_policy_that_is_put_there_is_the_one_of_this_repository(least: Applied) -> None:
    policy = least.one("aws_s3_object")
    assert policy["source"].endswith("config/security_policies.json")
    assert policy["source_hash"]


# ---- the table, and what must not go ----


def test_the_table_has_the_keys_and_the_time_to_live_of_the_code(least: Applied) -> None:
    table = least.one("aws_dynamodb_table")
    assert (table["hash_key"], table["range_key"]) == ("pk", "sk")
    assert {(each["name"], each["type"]) for each in table["attribute"]} == {("pk", "S"), ("sk", "S")}
    (ttl,) = table["ttl"]
    assert (ttl["attribute_name"], ttl["enabled"]) == ("expires", True)


def test_what_is_kept_is_not_deleted_by_mistake(least: Applied) -> None:
    table = least.one("aws_dynamodb_table")
    assert table["deletion_protection_enabled"] is True
    assert table["point_in_time_recovery"][0]["enabled"] is True
    assert least.one("aws_s3_bucket", "this")["force_destroy"] is False


# ---- the trail ----


def test_the_trail_is_there_where_it_is_asked_for(least: Applied, everything: Applied) -> None:
    assert least.of("aws_cloudtrail") == {}
    trail = everything.one("aws_cloudtrail")
    assert trail["is_multi_region_trail"] is True
    assert trail["enable_log_file_validation"] is True
    (selector,) = trail["event_selector"]
    assert selector["include_management_events"] is True
    assert selector["read_write_type"] in {"All", "WriteOnly"}


def test_only_our_trail_writes_into_its_bucket(everything: Applied) -> None:
    policy = json.loads(everything.one("aws_s3_bucket_policy", "trail")["policy"])
    for statement in statements(policy):
        assert statement["Principal"] == {"Service": "cloudtrail.amazonaws.com"}
        assert statement["Condition"]["StringEquals"]["aws:SourceArn"].endswith(":trail/sg-compliance-dev")
    assert actions(policy) == {"s3:GetBucketAcl", "s3:PutObject"}

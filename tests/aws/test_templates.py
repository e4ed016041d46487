"""What the templates ask of AWS: valid, private, encrypted, and no right that is not needed."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from carthub_dev import paths
from carthub_operator.desired import connections
from tests.support import resources as builders
from tests.support import stacks

_DEPLOY = {"Ref": "DeployStack"}
EDGE = paths.REPOSITORY / "operator" / "carthub_operator" / "edges" / "aws.py"
# Of all actions of a service: on the one key that carries it, and to forbid.
WIDE_ACTIONS = {("database", "IamPoliciesDecide"), ("artifacts", "OnlyWithTls")}
# Where AWS knows no resource, and in a key's own policy, where "*" is that key.
WIDE_RESOURCES = {
    ("build", "LogInToTheRegistry"),
    ("deploy", "NetworkInterfaces"),
    ("database", "IamPoliciesDecide"),
    ("database", "LogsOfTheDatabase"),
}


def _imports(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["Fn::ImportValue"]["Fn::Sub"]} if "Fn::ImportValue" in node else set()
        return own.union(*map(_imports, node.values()))
    return set().union(*map(_imports, node)) if isinstance(node, list) else set()


def test_the_linter_of_cloudformation_finds_nothing() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("cfn-lint"), *map(stacks.path, stacks.NAMES)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == ""
    assert done.returncode == 0
    assert {file.stem for file in (stacks.FOLDER / "stacks").iterdir()} == set(stacks.NAMES)


def test_wildcards_stand_only_where_aws_demands_them() -> None:
    actions, resources = set(), set()
    for name in stacks.NAMES:
        for statement in stacks.statements(name):
            where = (name, statement.get("Sid", ""))
            if any("*" in action for action in stacks.listed(statement["Action"])):
                actions.add(where)
            if "*" in stacks.listed(statement.get("Resource", [])):
                resources.add(where)

    assert actions == WIDE_ACTIONS
    assert resources == WIDE_RESOURCES


def test_every_role_says_who_may_take_it_and_for_whom() -> None:
    trusted = [
        statement
        for name in stacks.NAMES
        for statement in stacks.statements(name)
        if "Principal" in statement
        and any(action.startswith("sts:") for action in stacks.listed(statement["Action"]))
    ]

    # The operator's has two forms.
    roles = sum(len(stacks.resources(name, "AWS::IAM::Role")) for name in stacks.NAMES)
    assert len(trusted) == roles + 1
    assert [statement for statement in trusted if not statement.get("Condition")] == []
    assert [statement for statement in trusted if "*" in str(statement["Principal"])] == []


def test_the_operator_may_call_what_its_code_calls() -> None:
    called = {
        str(node.args[0].value)
        for node in ast.walk(ast.parse(EDGE.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "_call"
        and isinstance(node.args[0], ast.Constant)
    }
    allowed = {
        action
        for statement in stacks.statements("identity")
        for action in stacks.listed(statement["Action"])
        if not action.startswith("sts:")
    }

    # And the key that its secrets are encrypted with.
    assert allowed == {f"secretsmanager:{operation}" for operation in called} | {"kms:Decrypt"}


def test_the_operator_decrypts_the_secrets_that_it_may_read_and_nothing_else() -> None:
    [own, more] = [one for one in stacks.statements("identity") if one.get("Sid") == "Secrets"]
    keys = [one for one in stacks.statements("identity") if one.get("Sid") == "TheirKeys"]

    for readable, key in zip((own, more), keys, strict=True):
        conditions = {**key["Condition"].get("StringEquals", {}), **key["Condition"]["StringLike"]}
        assert conditions["kms:EncryptionContext:SecretARN"] == readable["Resource"]
        assert conditions["kms:ViaService"]["Fn::Sub"].startswith("secretsmanager.")


def test_a_build_gets_a_clone_because_an_archive_has_no_symbolic_links() -> None:
    pipeline = stacks.template("pipeline")["Resources"]["Pipeline"]["Properties"]
    [sources] = [stage["Actions"] for stage in pipeline["Stages"] if stage.get("Name") == "Source"]
    [either] = sources

    assert (paths.REPOSITORY / "service" / "tests").is_symlink()
    assert [one["Configuration"]["OutputArtifactFormat"] for one in either["Fn::If"][1:]] == [
        "CODEBUILD_CLONE_REF",
        "CODEBUILD_CLONE_REF",
    ]


def test_a_pipeline_without_a_deploy_stack_ends_with_the_build() -> None:
    template = stacks.template("pipeline")
    *_, build, deploy = template["Resources"]["Pipeline"]["Properties"]["Stages"]

    assert template["Conditions"]["Deploys"] == {"Fn::Not": [{"Fn::Equals": [_DEPLOY, ""]}]}
    assert build["Name"] == "Build"
    condition, stage, nothing = deploy["Fn::If"]
    assert (condition, stage["Name"], nothing) == ("Deploys", "Deploy", {"Ref": "AWS::NoValue"})
    # Nor does it name the project, or its role.
    [started] = [one for one in stacks.statements("pipeline") if one.get("Sid") == "Builds"]
    for node in (started["Resource"], template["Resources"]["Clone"]["Properties"]["Roles"]):
        condition, _, without = node["Fn::If"]
        assert condition == "Deploys"
        assert "DeployStack" not in str(without)


@pytest.mark.parametrize("name", stacks.NAMES)
def test_what_outlives_its_stack_goes_with_one_that_could_not_be_made(name: str) -> None:
    kept = [
        resource
        for resource in stacks.template(name)["Resources"].values()
        if resource.get("DeletionPolicy", "").startswith("Retain")
    ]

    # Else its name is taken when the stack is made again.
    assert {one["DeletionPolicy"] for one in kept} <= {"RetainExceptOnCreate"}
    assert {one["UpdateReplacePolicy"] for one in kept} <= {"Retain"}


def test_images_are_never_overwritten_and_are_scanned() -> None:
    repositories = stacks.resources("artifacts", "AWS::ECR::Repository")

    assert {one["Properties"]["RepositoryName"] for one in repositories.values()} == {
        "carthub-service",
        "carthub-operator",
    }
    for repository in repositories.values():
        properties = repository["Properties"]
        assert properties["ImageTagMutability"] == "IMMUTABLE"
        assert properties["ImageScanningConfiguration"] == {"ScanOnPush": True}
        assert properties["LifecyclePolicy"]["LifecyclePolicyText"]


def test_the_bucket_is_private_encrypted_and_reached_with_tls_alone() -> None:
    [bucket] = stacks.resources("artifacts", "AWS::S3::Bucket").values()
    properties = bucket["Properties"]
    [statement] = stacks.statements("artifacts")

    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["BucketEncryption"]
    assert statement["Effect"] == "Deny"
    assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_the_database_is_private_encrypted_and_hard_to_lose() -> None:
    [database] = stacks.resources("database", "AWS::RDS::DBInstance").values()
    properties = database["Properties"]

    assert properties["PubliclyAccessible"] is False
    assert properties["StorageEncrypted"] is True
    assert properties["DeletionProtection"] is True
    assert (database["DeletionPolicy"], database["UpdateReplacePolicy"]) == ("Snapshot", "Snapshot")
    assert properties["DBParameterGroupName"] == {"Ref": "ParameterGroup"}
    entries = stacks.resources("database", "AWS::EC2::SecurityGroupIngress").values()
    assert all("SourceSecurityGroupId" in one["Properties"] for one in entries)


def test_the_database_demands_tls_and_logs_no_statement() -> None:
    [group] = stacks.resources("database", "AWS::RDS::DBParameterGroup").values()
    parameters = group["Properties"]["Parameters"]

    assert parameters["rds.force_ssl"] == "1"
    # The text of a rotation's statement has the new password in it.
    assert parameters["log_statement"] == "none"
    assert parameters["log_min_duration_statement"] == "-1"
    assert parameters["log_min_error_statement"] == "panic"


def test_the_database_takes_the_connections_of_a_cartservice_with_all_its_pods() -> None:
    most = connections.most_connections(builders.cart_service())
    offered = stacks.template("database")["Parameters"]["MaxConnections"]

    assert f"that is {most} with 15 pods" in offered["Description"]
    assert most < offered["Default"] < 2 * most
    assert "Two need 600" in offered["Description"]
    assert 2 * most < 600


def test_two_logins_take_turns() -> None:
    schedules = stacks.resources("rotation", "AWS::SecretsManager::RotationSchedule")
    kinds = {
        name: one["Properties"]["HostedRotationLambda"]["RotationType"]
        for name, one in schedules.items()
    }
    secret = stacks.resources("database", "AWS::SecretsManager::Secret")["AppSecret"]
    value = secret["Properties"]["GenerateSecretString"]["SecretStringTemplate"]["Fn::Sub"]

    assert kinds == {"AdminRotation": "PostgreSQLSingleUser", "AppRotation": "PostgreSQLMultiUser"}
    assert '"masterarn": "${AdminSecret}"' in value


@pytest.mark.parametrize("name", stacks.NAMES)
def test_what_a_stack_imports_another_exports(name: str) -> None:
    own = stacks.template(name)
    exported = set()
    for other in stacks.NAMES[: stacks.NAMES.index(name)]:
        outputs = stacks.template(other).get("Outputs", {})
        names = [one["Export"]["Name"]["Fn::Sub"] for one in outputs.values() if "Export" in one]
        exported |= {one.replace("${AWS::StackName}", f"carthub-{other}") for one in names}
    defaults = {key: one.get("Default") for key, one in own.get("Parameters", {}).items()}
    imported = {
        re.sub(r"\$\{(\w+)\}", lambda found: str(defaults[found[1]]), one)
        for one in _imports(own["Resources"])
    }

    assert imported <= exported


@pytest.mark.parametrize("name", ["build", "deploy"])
def test_a_buildspec_uses_no_variable_that_it_is_not_given(name: str) -> None:
    [project] = stacks.resources(name, "AWS::CodeBuild::Project").values()
    buildspec = paths.REPOSITORY / project["Properties"]["Source"]["BuildSpec"]
    variables = project["Properties"]["Environment"]["EnvironmentVariables"]
    given = {(one["Fn::If"][1] if "Fn::If" in one else one)["Name"] for one in variables}

    assert buildspec == stacks.FOLDER / f"buildspec-{name}.yaml"
    used = set(re.findall(r"\$\{?(\w+)", buildspec.read_text()))
    # The commit is of each run; the other two are what `make` itself reads.
    assert used <= given | {"COMMIT_ID"}
    assert given <= used | {"PYTEST_ARGS", "PYTHON_IMAGE"}
    assert "COMMIT_ID" in stacks.path("pipeline").read_text()

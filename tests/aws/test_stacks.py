"""The stacks as the page deploys them, in moto: what exists then, and what moto leaves out."""

import json
import shlex
import string
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config

from carthub_dev.aws import ENVIRONMENT, REGION, AwsServer
from tests.support import markdown, stacks

# moto's CloudFormation makes nothing of these kinds: their properties are cfn-lint's to judge.
SKIPPED = {
    "AWS::CodeBuild::Project",
    "AWS::CodeCommit::Repository",
    "AWS::CodePipeline::Pipeline",
    "AWS::EKS::AccessEntry",
    "AWS::EKS::PodIdentityAssociation",
    "AWS::S3::BucketPolicy",
    "AWS::SecretsManager::RotationSchedule",
    "AWS::SecretsManager::Secret",
    "AWS::SecretsManager::SecretTargetAttachment",
}
# Some are not made, because their condition is false with the parameters of the page.
CONDITIONAL = {"AWS::IAM::Policy"}


@dataclass(frozen=True)
class Deployed:
    """One `aws cloudformation deploy` of the page."""

    stack: str
    template: str
    parameters: Mapping[str, str]
    capabilities: list[str]

    def read_template(self) -> dict[str, Any]:
        return stacks.template(Path(self.template).stem)


def _commands() -> list[Deployed]:
    blocks = markdown.shell_blocks("aws.md")
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [
        _command(shlex.split(line)[3:])
        for line in lines
        if line.startswith("aws cloudformation deploy ")
    ]


def _command(words: list[str]) -> Deployed:
    options: dict[str, list[str]] = {}
    for word in words:
        if word.startswith("--"):
            options[word] = given = []
        else:
            given.append(word)
    parameters = dict(one.split("=", 1) for one in options.get("--parameter-overrides", []))
    [stack], [template] = options["--stack-name"], options["--template-file"]
    return Deployed(stack, template, parameters, options.get("--capabilities", []))


COMMANDS = _commands()


class Account:
    """An AWS account in moto with the network that a cluster has."""

    def __init__(self, server: AwsServer) -> None:
        self._server = server
        ec2 = self.client("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16")["Vpc"]["VpcId"]
        subnets = [
            ec2.create_subnet(
                VpcId=vpc, CidrBlock=f"10.20.{number}.0/24", AvailabilityZone=f"{REGION}{zone}"
            )["Subnet"]["SubnetId"]
            for number, zone in enumerate("ab")
        ]
        group = ec2.create_security_group(GroupName="cluster", Description="cluster", VpcId=vpc)
        self.variables = {
            "VPC": vpc,
            "SUBNETS": ",".join(subnets),
            "CLUSTER_GROUP": group["GroupId"],
            "CLUSTER": "shop",
        }

    def client(self, service: str) -> Any:
        """Return a client of moto, whatever the environment names."""
        return boto3.client(
            service,
            endpoint_url=self._server.endpoint_url,
            region_name=REGION,
            aws_access_key_id=ENVIRONMENT["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
            config=Config(proxies={}, retries={"total_max_attempts": 1}),
        )

    def deploy(self, command: Deployed) -> None:
        """Create a stack as the command does."""
        template = command.read_template()
        if command.stack == "carthub-database":
            # moto answers a Ref to a parameter group with no name, and then knows no such group.
            del template["Resources"]["Database"]["Properties"]["DBParameterGroupName"]
        self.client("cloudformation").create_stack(
            StackName=command.stack,
            TemplateBody=json.dumps(template),
            Parameters=[
                {
                    "ParameterKey": key,
                    "ParameterValue": string.Template(value).substitute(self.variables),
                }
                for key, value in command.parameters.items()
            ],
            Capabilities=command.capabilities,
        )

    def made(self) -> set[tuple[str, str]]:
        """Return stack and logical name of all that was made."""
        api = self.client("cloudformation")
        return {
            (command.stack, one["LogicalResourceId"])
            for command in COMMANDS
            for one in api.list_stack_resources(StackName=command.stack)["StackResourceSummaries"]
            if one["LogicalResourceId"]
        }


@pytest.fixture(scope="module")
def account(aws_server: AwsServer) -> Account:
    """All stacks, deployed in the order of the page."""
    made = Account(aws_server)
    for command in COMMANDS:
        made.deploy(command)
    return made


def _declared() -> dict[tuple[str, str], str]:
    return {
        (f"carthub-{name}", key): one["Type"]
        for name in stacks.NAMES
        for key, one in stacks.template(name)["Resources"].items()
    }


def test_the_page_deploys_every_stack_once_in_an_order_that_works() -> None:
    assert [command.stack for command in COMMANDS] == [f"carthub-{name}" for name in stacks.NAMES]
    for name, command in zip(stacks.NAMES, COMMANDS, strict=True):
        assert command.template == f"deploy/aws/stacks/{name}.yaml"
        known = command.read_template().get("Parameters", {})
        demanded = {key for key, one in known.items() if "Default" not in one}
        assert demanded <= command.parameters.keys() <= known.keys()


@pytest.mark.parametrize("command", COMMANDS, ids=[command.stack for command in COMMANDS])
def test_the_page_names_the_capabilities_that_a_stack_needs(command: Deployed) -> None:
    template = command.read_template()
    has_roles = any(one["Type"] == "AWS::IAM::Role" for one in template["Resources"].values())

    # AWS's own rotation functions come with roles.
    assert ("CAPABILITY_IAM" in command.capabilities) == (has_roles or "Transform" in template)
    assert ("CAPABILITY_AUTO_EXPAND" in command.capabilities) == ("Transform" in template)


def test_everything_exists_but_what_moto_leaves_out(account: Account) -> None:
    declared = _declared()
    missing = {declared[one] for one in declared.keys() - account.made()}
    known = set(declared.values()) - SKIPPED

    assert missing == SKIPPED | CONDITIONAL
    # The page says how many.
    said = f"knows {len(known)} of the {len(set(declared.values()))} kinds of resources"
    assert said in (markdown.DOCS / "aws.md").read_text()


def test_the_repositories_refuse_to_overwrite_a_tag(account: Account) -> None:
    repositories = account.client("ecr").describe_repositories()["repositories"]

    found = {one["repositoryName"]: one["imageTagMutability"] for one in repositories}
    assert found == {"carthub-service": "IMMUTABLE", "carthub-operator": "IMMUTABLE"}


def test_the_bucket_is_encrypted(account: Account) -> None:
    # moto leaves out its public access block and its versions.
    s3 = account.client("s3")
    [bucket] = [one["Name"] for one in s3.list_buckets()["Buckets"] if "artifacts" in one["Name"]]

    encryption = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]
    assert "aws:kms" in json.dumps(encryption)


def test_the_database_is_as_declared(account: Account) -> None:
    rds = account.client("rds")
    [database] = rds.describe_db_instances()["DBInstances"]

    assert database["DBInstanceIdentifier"] == "carthub-database"
    assert database["StorageEncrypted"]
    assert database["MultiAZ"]
    assert not database["PubliclyAccessible"]
    assert database["BackupRetentionPeriod"] == 14
    [group] = [
        one["DBParameterGroupName"]
        for one in rds.describe_db_parameter_groups()["DBParameterGroups"]
        if one["DBParameterGroupFamily"] == "postgres18"
    ]
    parameters = rds.describe_db_parameters(DBParameterGroupName=group)["Parameters"]
    values = {one["ParameterName"]: one.get("ParameterValue") for one in parameters}
    assert (values["rds.force_ssl"], values["max_connections"]) == ("1", "400")


def test_the_operator_s_role_can_be_taken_by_its_service_account_alone(account: Account) -> None:
    roles = account.client("iam").list_roles()["Roles"]
    [role] = [one for one in roles if one["RoleName"].startswith("carthub-identity-OperatorRole")]

    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
    assert statement["Condition"]["StringEquals"] == {
        "aws:RequestTag/eks-cluster-arn": f"arn:aws:eks:{REGION}:123456789012:cluster/shop",
        "aws:RequestTag/kubernetes-namespace": "carthub-system",
        "aws:RequestTag/kubernetes-service-account": "carthub-operator",
    }


def test_with_irsa_it_can_be_taken_by_the_same_one(account: Account) -> None:
    issuer = f"oidc.eks.{REGION}.amazonaws.com/id/ABC"

    role = _identity(account, "carthub-identity-irsa", Identity="IRSA", OidcIssuer=issuer)

    [statement] = role["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"]["Federated"].endswith(f":oidc-provider/{issuer}")
    assert statement["Condition"]["StringEquals"] == {
        f"{issuer}:aud": "sts.amazonaws.com",
        f"{issuer}:sub": "system:serviceaccount:carthub-system:carthub-operator",
    }


def test_it_may_assume_the_roles_that_are_named_and_no_other(account: Account) -> None:
    readers = [f"arn:aws:iam::{number}:role/carthub-*" for number in (210987654321, 310987654321)]

    role = _identity(account, "carthub-identity-readers", ReaderRoles=",".join(readers))

    policy = account.client("iam").get_role_policy(
        RoleName=role["RoleName"], PolicyName="assume-readers"
    )
    [statement] = policy["PolicyDocument"]["Statement"]
    assert statement["Resource"] == readers
    # With Pod Identity the session has tags, and who goes on to another role takes them along.
    assert statement["Action"] == ["sts:AssumeRole", "sts:TagSession"]


def test_it_may_read_more_secrets_with_the_keys_that_those_have(account: Account) -> None:
    secrets = [f"arn:aws:secretsmanager:{REGION}:123456789012:secret:{n}/db-*" for n in "ab"]

    role = _identity(account, "carthub-identity-more", MoreSecrets=",".join(secrets))

    policy = account.client("iam").get_role_policy(
        RoleName=role["RoleName"], PolicyName="read-more-secrets"
    )
    read, decrypt = policy["PolicyDocument"]["Statement"]
    assert read["Resource"] == secrets
    assert decrypt["Condition"]["StringLike"]["kms:EncryptionContext:SecretARN"] == secrets


def test_both_projects_may_clone_what_the_pipeline_has_for_source(account: Account) -> None:
    iam = account.client("iam")
    names = {
        name: iam.get_role_policy(RoleName=name, PolicyName="carthub-pipeline-clone")
        for name in (one["RoleName"] for one in iam.list_roles()["Roles"])
        if "carthub-pipeline-clone" in iam.list_role_policies(RoleName=name)["PolicyNames"]
    }

    assert sorted(name.split("-")[1] for name in names) == ["build", "deploy"]
    for policy in names.values():
        [statement] = policy["PolicyDocument"]["Statement"]
        assert statement["Action"] == "codecommit:GitPull"
        assert statement["Resource"] == f"arn:aws:codecommit:{REGION}:123456789012:carthub"


def _identity(account: Account, stack: str, **parameters: str) -> Any:
    """Make another identity stack, with these parameters, and return its role."""
    [identity] = [command for command in COMMANDS if command.stack == "carthub-identity"]
    given = {**identity.parameters, **parameters}
    account.deploy(replace(identity, stack=stack, parameters=given))
    roles = account.client("iam").list_roles()["Roles"]
    [role] = [one for one in roles if one["RoleName"].startswith(stack)]
    return role


def test_a_commit_on_the_branch_starts_the_pipeline(account: Account) -> None:
    events = account.client("events")
    [rule] = events.list_rules()["Rules"]

    pattern = json.loads(rule["EventPattern"])
    assert pattern["source"] == ["aws.codecommit"]
    assert pattern["detail"]["referenceName"] == ["main"]

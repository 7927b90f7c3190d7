"""Adapters to AWS, named by service: the only room that imports boto3."""

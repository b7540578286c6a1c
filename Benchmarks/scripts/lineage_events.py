"""Reads the events of `strata ingest --openlineage FILE` with the classes that OpenLineage generates from its spec.

Usage: lineage_events.py FILE ; needs `pip install openlineage-python`. Every member must be one that the class knows, every
required one must be there, and schema addresses must be those of the class (of the same major version).
"""

import importlib
import json
import re
import sys

import attr

from openlineage.client.generated import base


def facet(value, module, name):
    cls = getattr(importlib.import_module(f"openlineage.client.generated.{module}"), name)
    members = {key: item for key, item in value.items() if not key.startswith("_")}
    for field in attr.fields(cls):
        # Members that are objects of their own class, such as the errors of extractionError.
        if field.name == "errors":
            inner = getattr(importlib.import_module(f"openlineage.client.generated.{module}"), "Error")
            members["errors"] = [inner(**item) for item in members["errors"]]
    made = cls(**members)
    ours, theirs = value["_schemaURL"], made._get_schema()
    split = lambda url: re.fullmatch(r"https://openlineage.io/spec/facets/(\d+)-\d+-\d+/(\w+)\.json#/\$defs/(\w+)", url)
    assert split(ours) and split(ours).groups() == split(theirs).groups(), (ours, theirs)
    assert re.match(r"[a-z]+:", value["_producer"])


RUN = {
    "processing_engine": ("processing_engine_run", "ProcessingEngineRunFacet"),
    "errorMessage": ("error_message_run", "ErrorMessageRunFacet"),
    "extractionError": ("extraction_error_run", "ExtractionErrorRunFacet"),
}
JOB = {"jobType": ("job_type_job", "JobTypeJobFacet")}
DATASET = {
    "dataSource": ("datasource_dataset", "DatasourceDatasetFacet"),
    "version": ("dataset_version_dataset", "DatasetVersionDatasetFacet"),
}
OUTPUT = {"outputStatistics": ("output_statistics_output_dataset", "OutputStatisticsOutputDatasetFacet")}

types = []
for line in open(sys.argv[1]):
    event = json.loads(line)
    for members, known in (
        (event["run"].get("facets", {}), RUN), (event["job"].get("facets", {}), JOB),
        *((item.get("facets", {}), DATASET) for item in event["inputs"]),
        *((item.get("outputFacets", {}), OUTPUT) for item in event["outputs"])):
        for name, value in members.items():
            facet(value, *known[name])
    made = base.RunEvent(
        eventTime=event["eventTime"], producer=event["producer"], eventType=base.EventType(event["eventType"]),
        run=base.Run(runId=event["run"]["runId"]), job=base.Job(namespace=event["job"]["namespace"], name=event["job"]["name"]),
        inputs=[base.InputDataset(namespace=item["namespace"], name=item["name"]) for item in event["inputs"]],
        outputs=[base.OutputDataset(namespace=item["namespace"], name=item["name"]) for item in event["outputs"]])
    assert set(event) == {"eventType", "eventTime", "producer", "schemaURL", "run", "job", "inputs", "outputs"}
    assert made.schemaURL == event["schemaURL"], (made.schemaURL, event["schemaURL"])
    types.append(event["eventType"])
print(f"{len(types)} events are valid: {', '.join(types)}")

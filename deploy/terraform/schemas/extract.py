#!/usr/bin/env python3
"""Writes aws.json and google.json: what the providers' resources that are used here accept.

The source is the bindings that are generated from the providers' own schemas and published on npm (MPL-2.0):

    npm pack @cdktf/provider-aws@21.22.1 @cdktf/provider-google@16.12.1    # and unpack each
    schemas/extract.py AWS_FOLDER/package GOOGLE_FOLDER/package

A schema tells names, types, what is required, what is a block, how often a block may stand, and which values the provider's
documentation lists. It does not tell what a provider checks by code: see `check --registry`.
"""

import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
# Optional, and computed where nobody has set them: the bindings do not tell these from other optional ones.
ALSO_COMPUTED = {
    "id", "arn", "private_ip", "private_ips", "address", "primary_network_interface_id", "ip_address", "latest_version",
    "default_version", "security_groups", "vpn_interfaces", "route", "ingress", "egress", "availability_zone", "tags_all", "tunnel1_preshared_key", "tunnel2_preshared_key", "private_ip_address",
}
GETTERS = {
    "getStringAttribute": "string",
    "getNumberAttribute": "number",
    "getBooleanAttribute": "bool",
    "getListAttribute": ["list", "string"],
    "getNumberListAttribute": ["list", "number"],
    "getStringMapAttribute": ["map", "string"],
    "getNumberMapAttribute": ["map", "number"],
    "getBooleanMapAttribute": ["map", "bool"],
}


def camel(snake):
    first, *rest = snake.split("_")
    return first + "".join(word[:1].upper() + word[1:] for word in rest)


def classes(text):
    """The body of each class by its name."""
    found = {}
    for match in re.finditer(r"^class (\w+) extends (\S+) \{\n(.*?)^\}", text, re.M | re.S):
        found[match[1]] = match[3]
    return found


def values_by_attribute(types):
    """The values that a description lists, by the anchor of the attribute in the documentation (which is its last name)."""
    found = {}
    for comment, name in re.findall(r"/\*\*(.*?)\*/\s*readonly (\w+)\??:", types, re.S):
        listed = re.search(r"Possible values: \[([^\]]*)\]", re.sub(r"\n\s*\*", " ", comment))
        if listed:
            values = re.findall(r'"([^"]+)"', listed[1])
            if values:
                found.setdefault(name, []).append(values)
    # Where two blocks have a name in common, each value of either passes.
    return {name: sorted({value for values in lists for value in values}) for name, lists in found.items()}


def read_block(bodies, name, listed):
    body = bodies[name]
    block = {"attributes": {}, "blocks": {}}
    children = {
        attribute: (kind, wrapped == "true")
        for kind, attribute, wrapped in re.findall(r"= new (\w+)\(this, \"(\w+)\"(?:, (true|false))?\)", body)
    }
    for getter, inside in re.findall(r"^    get (\w+)\(\) \{\n(.*?)^    \}", body, re.M | re.S):
        plain = re.search(r"this\.(get\w+Attribute)\('(\w+)'\)", inside)
        if not plain or getter.endswith("Input"):
            continue
        kind, attribute = GETTERS.get(plain[1], "any"), plain[2]
        if "Fn.tolist" in inside and isinstance(kind, list):
            kind = ["set", kind[1]]
        if "getMapAttribute" in plain[1] or plain[1] == "getAnyMapAttribute":
            kind = ["map", "string"]
        block["attributes"][attribute] = flags(body, getter, attribute, kind, listed)
    for attribute, (kind, from_set) in children.items():
        many = kind.endswith("List") or kind.endswith("Map")
        inner = re.sub(r"List$", "OutputReference", kind) if many else kind
        if inner not in bodies:
            continue
        child = read_block(bodies, inner, listed)
        getter = camel(attribute)
        settable = re.search(rf"^    put{getter[:1].upper() + getter[1:]}\(", body, re.M)
        optional = re.search(rf"^    reset{getter[:1].upper() + getter[1:]}\(", body, re.M)
        if not settable:
            block["attributes"][attribute] = {"type": ["set" if from_set else "list", as_type(child)], "computed": True}
            continue
        if attribute in ALSO_COMPUTED:
            # Providers of that age serve what is a block and may be computed as an attribute; blocks are taken for it.
            block["attributes"][attribute] = {
                "type": ["set" if from_set else "list", as_type(child)], "optional": True, "computed": True,
            }
            continue
        nesting = "single" if attribute == "timeouts" else "set" if from_set else "list"
        block["blocks"][attribute] = {
            "nesting": nesting,
            "min": 0 if optional else 1,
            "max": 0 if many or nesting == "single" else 1,
            "block": child,
        }
    return block


def flags(body, getter, attribute, kind, listed):
    told = {"type": kind}
    upper = getter[:1].upper() + getter[1:]
    settable = re.search(rf"^    set {getter}\(", body, re.M)
    optional = re.search(rf"^    reset{upper}\(", body, re.M)
    if not settable:
        told["computed"] = True
    elif optional:
        told["optional"] = True
        if attribute in ALSO_COMPUTED:
            told["computed"] = True
    else:
        told["required"] = True
    if settable and getter in listed and kind == "string":
        told["values"] = listed[getter]
    return told


def as_type(block):
    members = {name: told["type"] for name, told in block["attributes"].items()}
    for name, child in block["blocks"].items():
        members[name] = ["list", as_type(child["block"])]
    return ["object", members]


def read(package, provider, name):
    data = name.startswith("data.")
    short = name.removeprefix("data.").removeprefix(f"{provider}_")
    folder = package / "lib" / ((f"data-{provider}-" if data else "") + short.replace("_", "-"))
    text = (folder / "index.js").read_text()
    bodies = classes(text)
    main = next(body for body in bodies if re.search(r"terraformResourceType: '", bodies[body]))
    version = re.search(r"providerVersion: '([^']+)'", text)[1]
    return read_block(bodies, main, values_by_attribute((folder / "index.d.ts").read_text())), version


def used():
    names = set()
    for file in HERE.parent.rglob("*.tf"):
        text = file.read_text()
        names |= set(re.findall(r'^resource "(\w+)"', text, re.M))
        names |= {f"data.{name}" for name in re.findall(r'^data "(\w+)"', text, re.M)}
    return sorted(names)


def main():
    for provider, folder in zip(("aws", "google"), sys.argv[1:3], strict=True):
        schema = {"resources": {}, "data": {}}
        for name in used():
            if not name.removeprefix("data.").startswith(f"{provider}_"):
                continue
            block, schema["version"] = read(Path(folder), provider, name)
            kind = "data" if name.startswith("data.") else "resources"
            schema[kind][name.removeprefix("data.")] = block
        (HERE / f"{provider}.json").write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")
        print(provider, schema["version"], len(schema["resources"]), "resources,", len(schema["data"]), "data sources")


main()

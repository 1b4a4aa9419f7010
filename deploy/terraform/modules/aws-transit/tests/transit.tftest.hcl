mock_provider "aws" {}

variables {
  fleet    = "voice"
  covering = "10.99.0.0/24"
  regions = {
    us-east-1 = {
      asn = 64701, fallback = "us-west-2"
      transit = {
        region       = "us-east-1", vpc_id = "vpc-1", cidr = "10.10.0.0/22", subnet_ids = ["subnet-1"], announced = ["10.99.0.1/32"]
        route_tables = { relays = "rtb-1" }
      }
    }
    us-west-2 = {
      asn = 64702, fallback = "us-east-1"
      transit = {
        region       = "us-west-2", vpc_id = "vpc-2", cidr = "10.20.0.0/22", subnet_ids = ["subnet-2"], announced = ["10.99.0.1/32"]
        route_tables = { relays = "rtb-2", client-offices = "rtb-3" }
      }
    }
    eu-west-1 = {
      asn = 64703
      transit = {
        region       = "eu-west-1", vpc_id = "vpc-3", cidr = "10.30.0.0/22", subnet_ids = ["subnet-3"], announced = ["10.99.0.1/32"]
        route_tables = { relays = "rtb-4" }
      }
    }
  }
}

run "each_pair_of_regions_has_one_peering" {
  assert {
    condition     = jsonencode(sort(keys(aws_ec2_transit_gateway_peering_attachment.this))) == jsonencode(["eu-west-1~us-east-1", "eu-west-1~us-west-2", "us-east-1~us-west-2"])
    error_message = "three for three"
  }
  assert {
    condition = (aws_ec2_transit_gateway_peering_attachment.this["us-east-1~us-west-2"].region == "us-east-1"
      && aws_ec2_transit_gateway_peering_attachment.this["us-east-1~us-west-2"].peer_region == "us-west-2"
    && aws_ec2_transit_gateway_peering_attachment_accepter.this["us-east-1~us-west-2"].region == "us-west-2")
    error_message = "asked for in one region, accepted in the other"
  }
  assert {
    condition     = length(aws_ec2_transit_gateway_route.other_vpc) == 6
    error_message = "and each VPC knows the others"
  }
}

run "the_covering_range_leads_to_the_fallback_and_never_out_again" {
  assert {
    condition     = jsonencode(sort(keys(aws_ec2_transit_gateway_route.fallback))) == jsonencode(["us-east-1", "us-west-2"])
    error_message = "where there is a fallback"
  }
  assert {
    condition = alltrue([for key, route in aws_ec2_transit_gateway_route.fallback :
    route.transit_gateway_route_table_id == aws_ec2_transit_gateway_route_table.outward[key].id])
    error_message = "from the VPC outward only"
  }
  assert {
    condition = alltrue([for key, route in aws_ec2_transit_gateway_route.covering_inward :
      route.transit_gateway_attachment_id == aws_ec2_transit_gateway_vpc_attachment.this[key].id
    && route.transit_gateway_route_table_id == aws_ec2_transit_gateway_route_table.inward[key].id])
    error_message = "what comes in goes to the VPC"
  }
  assert {
    condition = alltrue([for way, association in aws_ec2_transit_gateway_route_table_association.peering :
    association.transit_gateway_route_table_id == aws_ec2_transit_gateway_route_table.inward[split(">", way)[0]].id])
    error_message = "what comes from another region meets the inward table"
  }
}

run "clients_tables_lead_to_the_gateway" {
  assert {
    condition     = aws_route.this["us-west-2/client-offices/10.99.0.0/24"].route_table_id == "rtb-3"
    error_message = "of the covering range"
  }
  assert {
    condition     = !contains(keys(aws_route.this), "eu-west-1/relays/10.99.0.0/24")
    error_message = "where it leads somewhere"
  }
}

run "with_a_core_in_gcp_the_covering_range_leads_there" {
  variables {
    gcp_cidrs = ["10.40.0.0/24"]
  }
  assert {
    condition     = contains(keys(aws_route.this), "eu-west-1/relays/10.99.0.0/24") && contains(keys(aws_route.this), "eu-west-1/relays/10.40.0.0/24")
    error_message = "by what the tunnels propagate into the outward table"
  }
}

run "a_covering_range_that_does_not_cover_is_refused" {
  command = plan
  variables {
    covering = "10.98.0.0/24"
  }
  expect_failures = [var.covering]
}

run "a_covering_range_around_a_vpc_is_refused" {
  command = plan
  variables {
    covering = "10.0.0.0/8"
  }
  expect_failures = [var.covering]
}

run "a_fallback_to_itself_is_refused" {
  command = plan
  variables {
    regions = {
      us-east-1 = {
        asn = 64701, fallback = "us-east-1"
        transit = {
          region = "us-east-1", vpc_id = "vpc-1", cidr = "10.10.0.0/22", subnet_ids = ["subnet-1"], announced = [], route_tables = {}
        }
      }
    }
  }
  expect_failures = [var.regions]
}

output "gateways" {
  description = "What modules/cloud-link needs of each region."
  value = { for key, one in var.regions : key => {
    region      = one.transit.region
    id          = aws_ec2_transit_gateway.this[key].id
    asn         = one.asn
    inward      = aws_ec2_transit_gateway_route_table.inward[key].id
    outward     = aws_ec2_transit_gateway_route_table.outward[key].id
    covering    = var.covering
    description = "${var.fleet}-${key}"
  } }
}

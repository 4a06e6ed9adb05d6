output "consul_join_string" {
  description = "What finds the Consul servers, for any agent with the identity"
  value       = local.join_strings.consul
}

output "nomad_join_string" {
  description = "What finds the Nomad servers"
  value       = local.join_strings.nomad
}

output "identity_client_id" {
  description = "Client id of the identity with the least role; give the identity to other machines that are to join"
  value       = azurerm_user_assigned_identity.discover.client_id
}

output "identity_id" {
  description = "Resource id of that identity"
  value       = azurerm_user_assigned_identity.discover.id
}

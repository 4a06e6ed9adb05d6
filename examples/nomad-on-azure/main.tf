locals {
  # Names and not references: a set's first machine needs its own set's name before the set is made.
  consul_servers = "consul-servers"
  nomad_servers  = "nomad-servers"

  # A Flexible set takes user-assigned identities only; `client_id` selects it, should there be
  # another one day. `orchestration_mode` saves requests, and the role below the actions of the
  # other mode.
  join_strings = {
    consul = "provider=azure subscription_id=${var.subscription_id} resource_group=${var.resource_group} vm_scale_set=${local.consul_servers} orchestration_mode=flexible client_id=${azurerm_user_assigned_identity.discover.client_id}"
    nomad  = "provider=azure subscription_id=${var.subscription_id} resource_group=${var.resource_group} vm_scale_set=${local.nomad_servers} orchestration_mode=flexible client_id=${azurerm_user_assigned_identity.discover.client_id}"
  }

  cloud_init_variables = {
    consul_join_string      = local.join_strings.consul
    nomad_join_string       = local.join_strings.nomad
    discover_package_url    = var.discover_package.url
    discover_package_sha256 = var.discover_package.sha256
  }

  sets = {
    (local.consul_servers) = "consul-server"
    (local.nomad_servers)  = var.nomad_join == "exec" ? "nomad-server-exec" : "nomad-server"
  }
}

resource "azurerm_resource_group" "cluster" {
  name     = var.resource_group
  location = var.location
}

# The identity of all machines of the cluster, which may read the scale sets.

resource "azurerm_user_assigned_identity" "discover" {
  name                = "discover"
  location            = azurerm_resource_group.cluster.location
  resource_group_name = azurerm_resource_group.cluster.name
}

# What `discover check --role --output terraform` prints for the join strings above; both sets are
# in one group.
resource "azurerm_role_definition" "discover" {
  name        = "discover scale sets of resource group ${var.resource_group}"
  description = "Reads what `discover` needs to resolve the join strings of this cluster, and nothing else"
  scope       = azurerm_resource_group.cluster.id

  permissions {
    actions = [
      # the virtual machines of a Flexible scale set
      "Microsoft.Compute/virtualMachines/read",
      # their network interfaces
      "Microsoft.Network/networkInterfaces/read",
      # to distinguish a scale set without instances from a missing one
      "Microsoft.Compute/virtualMachineScaleSets/read",
    ]
  }

  assignable_scopes = [azurerm_resource_group.cluster.id]
}

resource "azurerm_role_assignment" "discover" {
  scope              = azurerm_resource_group.cluster.id
  role_definition_id = azurerm_role_definition.discover.role_definition_resource_id
  principal_id       = azurerm_user_assigned_identity.discover.principal_id
  principal_type     = "ServicePrincipal"
}

# One network without a way in from outside.

resource "azurerm_virtual_network" "cluster" {
  name                = "cluster"
  location            = azurerm_resource_group.cluster.location
  resource_group_name = azurerm_resource_group.cluster.name
  address_space       = ["10.0.0.0/16"]
}

resource "azurerm_subnet" "servers" {
  name                 = "servers"
  resource_group_name  = azurerm_resource_group.cluster.name
  virtual_network_name = azurerm_virtual_network.cluster.name
  address_prefixes     = ["10.0.0.0/24"]
}

# Machines of a Flexible set reach the internet, and with it Azure's own API, only by a way that is
# given to them.

resource "azurerm_public_ip" "outbound" {
  name                = "outbound"
  location            = azurerm_resource_group.cluster.location
  resource_group_name = azurerm_resource_group.cluster.name
  allocation_method   = "Static"
  sku                 = "Standard"
}

resource "azurerm_nat_gateway" "outbound" {
  name                = "outbound"
  location            = azurerm_resource_group.cluster.location
  resource_group_name = azurerm_resource_group.cluster.name
  sku_name            = "Standard"
}

resource "azurerm_nat_gateway_public_ip_association" "outbound" {
  nat_gateway_id       = azurerm_nat_gateway.outbound.id
  public_ip_address_id = azurerm_public_ip.outbound.id
}

resource "azurerm_subnet_nat_gateway_association" "outbound" {
  subnet_id      = azurerm_subnet.servers.id
  nat_gateway_id = azurerm_nat_gateway.outbound.id
}

resource "azurerm_orchestrated_virtual_machine_scale_set" "servers" {
  for_each = local.sets

  name                        = each.key
  location                    = azurerm_resource_group.cluster.location
  resource_group_name         = azurerm_resource_group.cluster.name
  platform_fault_domain_count = 1
  sku_name                    = var.size
  instances                   = 3

  os_profile {
    custom_data = base64encode(templatefile("${path.module}/cloud-init/${each.value}.yaml.tftpl", local.cloud_init_variables))

    linux_configuration {
      admin_username                  = var.admin_username
      disable_password_authentication = true

      admin_ssh_key {
        username   = var.admin_username
        public_key = var.admin_public_key
      }
    }
  }

  source_image_reference {
    publisher = "Debian"
    offer     = "debian-12"
    sku       = "12-gen2"
    version   = "latest"
  }

  os_disk {
    caching              = "ReadWrite"
    storage_account_type = "StandardSSD_LRS"
  }

  # No tags here: the set itself lists its members.
  network_interface {
    name    = "${each.key}-nic"
    primary = true

    ip_configuration {
      name      = "private"
      primary   = true
      subnet_id = azurerm_subnet.servers.id
    }
  }

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.discover.id]
  }

  # A machine polls in its first minute. Permissions may arrive a little later: it polls again.
  depends_on = [
    azurerm_role_assignment.discover,
    azurerm_nat_gateway_public_ip_association.outbound,
    azurerm_subnet_nat_gateway_association.outbound,
  ]
}

data "vsphere_role" "read_only" {
  label = "Read-only"
}

resource "vsphere_entity_permissions" "cloud_autojoin" {
  entity_id   = "group-d1" # the root folder
  entity_type = "Folder"
  permissions {
    user_or_group = USER
    is_group      = false
    propagate     = true
    role_id       = data.vsphere_role.read_only.id
  }
}

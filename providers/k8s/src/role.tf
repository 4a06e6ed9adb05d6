resource "kubernetes_role_v1" "cloud_autojoin" {
  metadata {
    name      = "cloud-autojoin"
    namespace = NAMESPACE
  }
  rule {
    api_groups = ["GROUP"]
    resources  = ["RESOURCE"]
    verbs      = ["list"]
  }
}

resource "kubernetes_role_binding_v1" "cloud_autojoin" {
  metadata {
    name      = "cloud-autojoin"
    namespace = NAMESPACE
  }
  role_ref {
    api_group = "rbac.authorization.k8s.io"
    kind      = "Role"
    name      = kubernetes_role_v1.cloud_autojoin.metadata[0].name
  }
  subject {
    kind      = "ServiceAccount"
    name      = "default"
    namespace = NAMESPACE
  }
}

-- Health of MCPGateway, MCPRoute and MCPPolicy for Argo CD.
-- Degraded: trying again can't help, somebody has to change something.
-- Progressing: the operator or a proxy is on its way, or a Secret, Service or policy may yet come.

local terminal = {
  AudienceConflict = true,
  PolicyInvalid = true,
  ProxyFault = true,
  UpstreamNotAllowed = true,
}

local health = { status = "Progressing", message = "the operator has not looked at it yet" }
local status = obj.status
if status == nil or status.conditions == nil then
  return health
end
if status.observedGeneration ~= obj.metadata.generation then
  health.message = "the operator has not looked at this generation yet"
  return health
end

local ready, stalled, reconciling
for _, condition in ipairs(status.conditions) do
  if condition.type == "Ready" then
    ready = condition
  elseif condition.type == "Stalled" and condition.status == "True" then
    stalled = condition
  elseif condition.type == "Reconciling" and condition.status == "True" then
    reconciling = condition
  end
end

local said = stalled or reconciling or ready
if said == nil then
  return health
end
health.message = said.reason .. ": " .. said.message
if stalled ~= nil then
  health.status = "Degraded"
elseif reconciling ~= nil then
  return health
elseif ready.status == "False" and terminal[ready.reason] then
  health.status = "Degraded"
elseif ready.status == "True" then
  health.status = "Healthy"
elseif ready.reason == "Suspended" then
  health.status = "Suspended"
end
return health

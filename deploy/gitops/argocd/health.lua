-- How Argo CD judges a CartService: Healthy only once its present spec serves. The same as kstatus
-- (Flux) says, and by the same conditions; what Argo CD alone knows is Suspended.
local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end

local function verdict(word, condition, otherwise)
  return { status = word, message = condition and condition.message or otherwise }
end

local function is_true(condition)
  return condition ~= nil and condition.status == "True"
end

if obj.metadata.deletionTimestamp ~= nil then
  return verdict("Progressing", nil, "It is being deleted")
end
if obj.spec.suspend then
  local told = conditions.Suspended
  -- Unknown says more: the spec has changed meanwhile.
  if told and conditions.Ready and conditions.Ready.status == "Unknown" then
    told = conditions.Ready
  end
  return verdict("Suspended", told, "spec.suspend is true")
end
-- Conditions of the spec before say nothing of this one.
if status.observedGeneration ~= obj.metadata.generation then
  return verdict("Progressing", nil, "The operator has not looked at this spec yet")
end
if is_true(conditions.Reconciling) then
  return verdict("Progressing", conditions.Reconciling)
end
if is_true(conditions.Stalled) then
  return verdict("Degraded", conditions.Stalled)
end
if is_true(conditions.Ready) then
  return verdict("Healthy", conditions.Ready)
end
return verdict("Progressing", conditions.Ready, "The operator has not told how it stands yet")

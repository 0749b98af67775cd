package prophet

// Between is tested against sorting.
var Between = between

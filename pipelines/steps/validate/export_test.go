package validate

// Evidence takes from reports what the rules judge by.
var Evidence = evidence
